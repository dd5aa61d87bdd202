"""The paper exchange: takes orders and prints, and decides what fills.

Owns every paper order from its placing to its end. Pure and synchronous: no clock, no I/O, no chance but the
seeded generator for partial fills; every time is handed in. It must never let an order fill beyond its
quantity or its limit, nor by the print that it was placed because of.

E1. Nothing happens to any order at a print strictly inside `PaperExchange.band`, so a caller may skip such
    prints and tell only the newest of them (`PaperExchange.set_last`).
E2. An order placed, or made marketable, by a timer, a person or the API takes the last price at once, and
    whole: there may be no print after it to fill a rest. One placed ``on_print``, or before there is a price,
    waits for the next print and takes that, as far as its limit allows. What prints fill, they may fill in
    parts.
E3. On the way to one print orders act nearest to the print before first, then by arrival.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Final

from olaf_async.adapters.paper import refusals
from olaf_async.adapters.paper.account import PaperAccount, PaperRules
from olaf_async.adapters.paper.kept import KeptOrder, id_of
from olaf_async.adapters.paper.market import Market
from olaf_async.adapters.paper.orders import LIMITED, STOPS, OrderStatus, PaperOrder, Stance, What
from olaf_async.adapters.paper.reach import Band, meeting_level
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.domain.price import Paise
from olaf_async.errors import BrokerRejected, InvariantBroken

__all__ = ["SQUARE_OFF_STRATEGY", "PaperExchange", "PaperRules"]

SQUARE_OFF_STRATEGY: Final = "AUTO_SQUARE_OFF"
_SECOND_NS: Final = 1_000_000_000
_WHAT_ELSE: Final = MappingProxyType(
    {
        OrderStatus.OPEN: What.TRIGGERED,
        OrderStatus.CANCELLED: What.CANCELLED,
        OrderStatus.REJECTED: What.REJECTED,
    }
)
"""What has brought an order to a status, where no fill has."""


class PaperExchange(PaperAccount):
    """An exchange and one account at it, in memory. Prices in paise, times in ns since the epoch.

    ``sessions`` gives symbols their hours (open, close); an exchange-true exchange takes no order and no
    modify outside them. ``split`` (shares left -> shares that this print fills) scripts partial fills.
    ``depth`` (order, price -> shares) is what the other side of the book has for it, which may be nothing;
    where it is given, arriving orders too take no more than that, and `split` is not asked.
    """

    def __init__(
        self,
        rules: PaperRules,
        tick_sizes: Mapping[str, Paise],
        *,
        sessions: Mapping[str, tuple[int, int]] | None = None,
        split: Callable[[int], int] | None = None,
        depth: Callable[[PaperOrder, Paise], int] | None = None,
    ) -> None:
        super().__init__(rules, {symbol: Market(tick) for symbol, tick in tick_sizes.items()})
        self._sessions = sessions or {}
        self._working: dict[str, PaperOrder] = {}
        self._random = random.Random(rules.seed)
        self._split = split or (self._drawn_share if rules.partial_fills else None)
        self._depth = depth
        self._zone = timezone(timedelta(seconds=rules.utc_offset_s))

    def take_over(self, kept: Iterable[KeptOrder], remembered: Mapping[str, Paise]) -> None:
        """Be the account that had these orders; no frame tells of them.

        What works goes on working, and the next print decides as any print does. The newest prices that
        anybody remembers count for one thing only: they tell an order that was to take the next print from
        one that waited for its limit. The history has no modifies, and the other changes at the time of the
        order's placing.

        Raises:
            InvariantBroken: something has happened here already.
        """
        if self._orders or any(market.prints for market in self._markets.values()):
            raise InvariantBroken("an account is taken over before anything else happens at the exchange")
        for one in sorted(kept, key=lambda order: order.order_id):
            self._revive(one, remembered.get(one.symbol))
        for market in self._markets.values():
            market.settle()

    # ------------------------------------------------------------------------------------------------- prints

    def on_print(self, symbol: str, price: Paise, at_ns: int, *, continuous: bool = False) -> None:
        """Take in one print.

        ``continuous`` says that price passed every level since the symbol's print before (two prices of one
        bar), so a stop on the way fills at its trigger instead of at this print.
        """
        market = self._markets[symbol]
        if market.low < price < market.high:
            market.last = price
            market.last_ns = at_ns
            market.prints += 1
            return
        self._react(market, price, at_ns, continuous=continuous)

    def band(self, symbol: str) -> Band:
        """(low, high): only a print at or below low, or at or above high, can matter to an order.

        -1 and 2**62 where unbounded; every price breaches the band while an order waits for the next print.
        """
        market = self._markets[symbol]
        return market.low, market.high

    def set_last(self, symbol: str, price: Paise, at_ns: int, prints: int) -> None:
        """Take in ``prints`` prints inside the band at once, of which this is the newest.

        Raises:
            InvariantBroken: the price is not inside the band, so the orders had to see it.
        """
        market = self._markets[symbol]
        if not market.low < price < market.high:
            raise InvariantBroken(f"skipped {price} of {symbol}, not inside ({market.low}, {market.high})")
        market.last = price
        market.last_ns = at_ns
        market.prints += prints

    def set_quote(self, symbol: str, bid: Paise, ask: Paise) -> None:
        """Give bid and ask (0: none) until the next print; only the sandbox's MARKET looks at them."""
        market = self._markets[symbol]
        market.bid, market.ask, market.quoted_at = bid, ask, market.prints

    def last(self, symbol: str) -> Paise | None:
        """The newest print; None before the first, and for a symbol not listed here."""
        market = self._markets.get(symbol)
        return market.last if market is not None else None

    # ----------------------------------------------------------------------------------------------- requests

    def place(  # noqa: PLR0913 -- the fields of the wire's own request
        self,
        symbol: str,
        side: Side,
        price_type: PriceType,
        terms: Terms,
        at_ns: int,
        *,
        on_print: bool = False,
        strategy: str = "olaf",
        product: str = "MIS",
    ) -> str:
        """Take a new order and return its id; ``on_print`` as in E2.

        Raises:
            BrokerRejected: definitely refused. No trace is left, except of a CNC sell of more than is held,
                which leaves a rejected order as in OpenAlgo.
        """
        market = self._markets.get(symbol)
        if market is None:
            raise BrokerRejected(f"Symbol {symbol} not found on NSE")
        refusals.refuse_malformed(price_type, terms, product)
        number = self._next_number()
        order = PaperOrder(
            number=number,
            order_id=id_of(f"{self._local(at_ns):%y%m%d}", number),
            symbol=symbol,
            side=side,
            price_type=price_type,
            product=product,
            strategy=strategy,
            quantity=terms.quantity,
            price=terms.price if price_type in LIMITED else 0,
            trigger=terms.trigger if price_type in STOPS else 0,
            placed_ns=at_ns,
            changed_ns=at_ns,
        )
        if self._waits_for_trigger(order, market.last):
            order.status = OrderStatus.TRIGGER_PENDING
        margin = self._check_placing(order, market, at_ns)
        self._accept(order, market, margin, at_ns)
        self._arrive(order, market, at_ns, on_print=on_print)
        market.settle()
        return order.order_id

    def modify(
        self,
        order_id: str,
        terms: Terms,
        at_ns: int,
        *,
        on_print: bool = False,
        price_type: PriceType | None = None,
    ) -> None:
        """Change a working order in place; ``terms.quantity`` is the total, what is filled included.

        The sandbox takes over what is not zero, ignores ``price_type`` and lets the next print decide. An
        exchange takes over everything, may make another kind of the order, and fills what has become
        marketable (E2). The modify itself sends no frame.

        Raises:
            BrokerRejected: definitely refused; the order stands as it was.
        """
        order = self._find(order_id)
        refusals.refuse_ended(order, "modify")
        refusals.refuse_below_filled(order, terms)
        market = self._markets[order.symbol]
        if self.rules.exchange_true:
            changed = self._changed_truly(order, terms, price_type or order.price_type)
            margin = self._check_as_exchange(changed, market, at_ns)
        else:
            changed = self._changed_as_sandbox(order, terms)
            margin = order.blocked
        order.take_over(changed)
        self._ledger.block(order, margin)
        self._write_change(order, What.MODIFIED, at_ns)
        if self.rules.exchange_true:
            self._arrive(order, market, at_ns, on_print=on_print)
        market.settle()

    def cancel(self, order_id: str, at_ns: int) -> None:
        """End a working order.

        Raises:
            BrokerRejected: unknown, or already ended.
        """
        order = self._find(order_id)
        refusals.refuse_ended(order, "cancel")
        self._end(order, OrderStatus.CANCELLED)
        self._ledger.block(order, 0)
        self._write_change(order, What.CANCELLED, at_ns)
        self._tell(order)
        self._markets[order.symbol].settle()

    def cancel_all(self, at_ns: int) -> tuple[str, ...]:
        """Cancel all working orders, but as the sandbox spare untriggered stops; return the ids."""
        ids = tuple(
            order.order_id
            for order in self._working.values()
            if self.rules.exchange_true or order.status is OrderStatus.OPEN
        )
        for order_id in ids:
            self.cancel(order_id, at_ns)
        return ids

    def is_working(self, order_id: str) -> bool:
        """Whether there is a working order of this id."""
        return order_id in self._working

    def end(self, order_id: str, status: OrderStatus, reason: str, at_ns: int) -> None:
        """End a working order as somebody other than its owner does: cancelled, or rejected after all.

        Raises:
            BrokerRejected: unknown, or already ended.
        """
        order = self._find(order_id)
        refusals.refuse_ended(order, "end")
        order.reason = reason
        self._end(order, status)
        self._ledger.block(order, 0)
        self._write_change(order, What(status.value), at_ns)
        self._tell(order)
        self._markets[order.symbol].settle()

    def close_positions(self, at_ns: int) -> tuple[str, ...]:
        """Send a market order against every position; return the ids. Working orders stay, as in OpenAlgo."""
        return tuple(
            self.place(
                position.symbol,
                Side.SELL if position.quantity > 0 else Side.BUY,
                PriceType.MARKET,
                Terms(abs(position.quantity), 0),
                at_ns,
                strategy=SQUARE_OFF_STRATEGY,
                product=position.product,
            )
            for position in self.positions()
            if position.quantity
        )

    # ------------------------------------------------------------------------------------------------- checks

    def _check_placing(self, order: PaperOrder, market: Market, at_ns: int) -> Paise:
        """Refuse what may not be placed; return the margin it needs."""
        if self.rules.exchange_true:
            return self._check_as_exchange(order, market, at_ns)
        until_s = self.rules.square_off_s
        held = self._ledger.held(order.symbol, order.product)
        if order.product == "MIS" and until_s is not None and held * order.side.sign >= 0:
            local = self._local(at_ns)
            refusals.refuse_late_mis(local.hour * 3600 + local.minute * 60 + local.second, until_s)
        margin = self._check_margin(order, market.last)
        if order.price_type is PriceType.MARKET:
            order.price = order.margin_price  # what its row shows in the sandbox
        return margin

    def _check_as_exchange(self, order: PaperOrder, market: Market, at_ns: int) -> Paise:
        open_ns, close_ns = self._sessions.get(order.symbol, (at_ns, at_ns + 1))
        if not open_ns <= at_ns < close_ns:
            raise BrokerRejected(f"Market is closed for {order.symbol}")
        refusals.refuse_off_tick(order, market.tick)
        if order.status is OrderStatus.TRIGGER_PENDING:
            refusals.refuse_bad_stop(order, market.last)
        return self._check_margin(order, market.last)

    def _check_margin(self, order: PaperOrder, last: Paise | None) -> Paise:
        """Refuse what the account cannot bear; return the margin it needs, and note the price it hangs on."""
        if order.price_type is PriceType.MARKET and last is None:
            raise BrokerRejected(
                f"Cannot place MARKET order for {order.symbol} - unable to fetch current price. "
                "Please try again later or use LIMIT order with a specific price."
            )
        order.margin_price = order.trigger or order.price or last or 0
        required = self._ledger.margin_for(order)
        refusals.refuse_unaffordable(required, self._ledger.available + order.blocked)
        return required

    # ------------------------------------------------------------------------------------- an order's changes

    def _accept(self, order: PaperOrder, market: Market, margin: Paise, at_ns: int) -> None:
        self._orders[order.order_id] = order
        held = self._ledger.held(order.symbol, order.product)
        if order.product == "CNC" and order.side is Side.SELL and order.quantity > held:
            order.status, order.reason = OrderStatus.REJECTED, refusals.delivery_oversold(order.symbol)
            self._write_change(order, What.REJECTED, at_ns)
            self._tell(order)
            raise BrokerRejected(order.reason)
        self._ledger.block(order, margin)
        self._working[order.order_id] = order
        market.orders.append(order)
        self._write_change(order, What.PLACED, at_ns)
        self._tell(order)

    def _revive(self, kept: KeptOrder, remembered: Paise | None) -> None:
        """Bring one order to where it was."""
        order, market, at_ns = kept.as_placed(), self._markets[kept.symbol], kept.placed_ns
        self._orders[order.order_id] = order
        self._write_change(order, What.PLACED, at_ns)
        for shares, price in kept.executions(market.tick):
            order.filled += shares
            order.value += shares * price
            order.status = OrderStatus.OPEN if order.remaining else OrderStatus.COMPLETE
            self._write_fill(order, shares, price, at_ns, intrabar=False)
            if not self.rules.exchange_true:
                self._release_resting_margin()
        if order.status is not kept.status:
            order.status = kept.status
            self._write_change(order, _WHAT_ELSE[kept.status], at_ns)
        if not order.is_working:
            return
        self._ledger.block(order, self._ledger.margin_for(order))
        self._working[order.order_id] = order
        market.orders.append(order)
        if order.status is OrderStatus.TRIGGER_PENDING:
            order.stance = Stance.PENDING
        else:
            order.stance = self._stance_when_open(order, remembered)

    def _changed_truly(self, order: PaperOrder, terms: Terms, price_type: PriceType) -> PaperOrder:
        refusals.refuse_malformed(price_type, terms, order.product)
        was_triggered = order.price_type in STOPS and order.status is OrderStatus.OPEN
        is_waiting = price_type in STOPS and not was_triggered
        return replace(
            order,
            price_type=price_type,
            quantity=terms.quantity,
            price=terms.price if price_type in LIMITED else 0,
            trigger=terms.trigger if price_type in STOPS else 0,
            status=OrderStatus.TRIGGER_PENDING if is_waiting else OrderStatus.OPEN,
        )

    def _changed_as_sandbox(self, order: PaperOrder, terms: Terms) -> PaperOrder:
        refusals.refuse_sandbox_modify(order, terms)
        # Even a limit that now crosses the market is only met by the next print, and then at the limit.
        stance = Stance.RESTING if order.price_type is PriceType.LIMIT else order.stance
        return replace(
            order,
            quantity=terms.quantity,
            price=terms.price or order.price,
            trigger=terms.trigger or order.trigger,
            stance=stance,
        )

    def _arrive(self, order: PaperOrder, market: Market, at_ns: int, *, on_print: bool) -> None:
        """Let an order meet the market as it is."""
        if order.status is OrderStatus.TRIGGER_PENDING:
            order.stance = Stance.PENDING
            return
        last = market.last
        order.stance = self._stance_when_open(order, last)
        if last is not None and order.allows(last) and not on_print:
            share = order.remaining if self._depth is None else self._share(order, last)
            if share:
                self._fill(order, market, share, self._price_at_once(order, market, last), at_ns)

    def _react(self, market: Market, price: Paise, at_ns: int, *, continuous: bool) -> None:
        """Let every order that the way to this print meets act, as E3."""
        start = market.last if continuous else None
        origin = price if market.last is None else market.last
        market.last, market.last_ns = price, at_ns
        market.prints += 1
        met: list[tuple[Paise, int, Paise, PaperOrder]] = []
        for order in market.orders:
            level = meeting_level(order, start, price)
            if level is not None:
                met.append((abs(level - origin), order.number, level, order))
        for _, _, level, order in sorted(met):
            share = self._share(order, level) if order.allows(level) else 0
            if share:
                is_intrabar = start is not None and level != price
                self._fill(order, market, share, level, at_ns, intrabar=is_intrabar)
            else:
                self._miss(order, market, at_ns)
        market.settle()

    def _miss(self, order: PaperOrder, market: Market, at_ns: int) -> None:
        """A stop was triggered, or an arriving order met, by a price at which there is nothing: it rests."""
        was_pending = order.stance is Stance.PENDING
        order.stance = self._stance_when_open(order, market.last)
        if was_pending:
            order.status = OrderStatus.OPEN
            self._write_change(order, What.TRIGGERED, at_ns)
            self._tell(order)

    def _fill(
        self,
        order: PaperOrder,
        market: Market,
        quantity: int,
        level: Paise,
        at_ns: int,
        *,
        intrabar: bool = False,
    ) -> None:
        """Fill so many shares of the order at this level worsened by slippage."""
        price = self._worsened(order, level, market.tick)
        order.filled += quantity
        order.value += quantity * price
        if not order.remaining:
            self._end(order, OrderStatus.COMPLETE)
        else:
            order.status = OrderStatus.OPEN
            if order.stance is not Stance.RESTING:
                order.stance = self._stance_when_open(order, market.last)
        self._write_fill(order, quantity, price, at_ns, intrabar=intrabar)
        if not self.rules.exchange_true:
            self._release_resting_margin()
        self._tell(order)

    def _share(self, order: PaperOrder, price: Paise) -> int:
        """How many of the order's shares this price fills: at least one, but where the book is empty."""
        left = order.remaining
        if self._depth is not None:
            return min(left, self._depth(order, price))
        return left if self._split is None else max(1, min(left, self._split(left)))

    def _end(self, order: PaperOrder, status: OrderStatus) -> None:
        order.status = status
        del self._working[order.order_id]

    def _release_resting_margin(self) -> None:
        """After a fill the sandbox counts the margin of positions only (its sandbox/fund_manager.py)."""
        for order in self._working.values():
            self._ledger.block(order, 0)

    # ---------------------------------------------------------------------------------------------- questions

    def _waits_for_trigger(self, order: PaperOrder, last: Paise | None) -> bool:
        """An exchange refuses a stop whose trigger is reached; the sandbox takes it as triggered."""
        if order.price_type not in STOPS:
            return False
        return self.rules.exchange_true or last is None or not order.is_triggered_at(last)

    def _stance_when_open(self, order: PaperOrder, last: Paise | None) -> Stance:
        if order.price_type in STOPS and not self.rules.exchange_true:
            return Stance.WINDOW
        if last is None:
            # The market may be anywhere; that it has just come down to the limit is the least likely.
            return Stance.TAKING if self.rules.exchange_true else Stance.RESTING
        return Stance.TAKING if order.allows(last) else Stance.RESTING

    def _price_at_once(self, order: PaperOrder, market: Market, last: Paise) -> Paise:
        is_quoted = market.quoted_at == market.prints
        if self.rules.exchange_true or order.price_type is not PriceType.MARKET or not is_quoted:
            return last
        return (market.ask if order.side is Side.BUY else market.bid) or last

    def _worsened(self, order: PaperOrder, level: Paise, tick: Paise) -> Paise:
        worse = max(tick, level + order.side.sign * self.rules.slippage_ticks * tick)
        return worse if order.allows(worse) else order.price

    def _drawn_share(self, left: int) -> int:
        return self._random.randint(1, left)

    def _local(self, at_ns: int) -> datetime:
        return datetime.fromtimestamp(at_ns // _SECOND_NS, self._zone)
