"""A safe day in the books of a broker, as a base to plant something into."""

from dataclasses import replace

from olaf_async.adapters.openalgo.wire.dated import Dated
from olaf_async.domain.events import OrderRow, PositionRow, Status, TradeRow
from olaf_async.domain.order import PriceType, Side
from olaf_async.research.audit.account import Account, Case, SymbolPlan, Told
from olaf_async.research.audit.bare import Heard, Life, Whose, spells

SECOND_NS = 1_000_000_000
BUDGET_NS = 3 * SECOND_NS
PLANS = {
    "ALPHA": SymbolPlan("ALPHA", Side.BUY, 10, 5, 2),
    "BETA": SymbolPlan("BETA", Side.SELL, 4, 10, 2),
}
END = Told(999, 500 * SECOND_NS, "ALPHA", "the journal ends")


def order(
    order_id: str,
    side: Side,
    quantity: int,
    at_s: int | None,
    *,
    symbol: str = "ALPHA",
    kind: PriceType = PriceType.SL,
    status: Status = Status.COMPLETE,
    price: int = 100_00,
    trigger: int | None = None,
    filled: int | None = None,
) -> Dated[OrderRow]:
    """A row of the order book; without a trigger of its own a stop has its limit's."""
    if trigger is None:
        trigger = price if kind is PriceType.SL else 0
    row = OrderRow(order_id, symbol, side, kind, status, quantity, price, trigger, filled)
    return Dated(row, None if at_s is None else at_s * SECOND_NS)


def trade(
    order_id: str, side: Side, quantity: int, at_s: int | None, *, symbol: str = "ALPHA", price: int = 100_00
) -> Dated[TradeRow]:
    """A row of the tradebook."""
    row = TradeRow(order_id, symbol, side, quantity, price)
    return Dated(row, None if at_s is None else at_s * SECOND_NS)


SAFE = Account(
    orders=(
        order("a1", Side.BUY, 10, 90),
        order("a2", Side.SELL, 10, 101, price=95_00),
        order("a3", Side.BUY, 10, 190),
        order("a4", Side.SELL, 10, 200, price=95_00, status=Status.CANCELLED),
        order("a5", Side.SELL, 10, 300, kind=PriceType.LIMIT, price=101_00),
        order("b1", Side.SELL, 4, 90, symbol="BETA", filled=4),
        order("b2", Side.BUY, 4, 100, symbol="BETA", price=105_00, filled=4),
        order("b3", Side.SELL, 4, 200, symbol="BETA", status=Status.CANCELLED, filled=0),
    ),
    trades=(
        trade("a1", Side.BUY, 4, 100),
        trade("a1", Side.BUY, 6, 100),
        trade("a2", Side.SELL, 10, 150, price=94_90),
        trade("a3", Side.BUY, 10, 200),
        trade("a5", Side.SELL, 7, 300, price=102_00),
        trade("a5", Side.SELL, 3, 301, price=102_00),
        trade("b1", Side.SELL, 4, 100, symbol="BETA"),
        trade("b2", Side.BUY, 4, 120, symbol="BETA", price=105_10),
    ),
    positions=(PositionRow("ALPHA", 0), PositionRow("BETA", 0)),
)
OURS = frozenset(each.row.order_id for each in SAFE.orders)


def heard_lives(account: Account, late_s: float = 0.05) -> dict[str, Life]:
    """The same as a journal heard it: fills when they happened, stops so much after their second."""
    lives: dict[str, Life] = {}
    for seq, each in enumerate(account.orders):
        assert each.at_ns is not None
        at_ns = each.at_ns + round(late_s * SECOND_NS)
        life = lives.setdefault(each.row.order_id, Life())
        life.accepted(seq, at_ns, each.row.quantity)
        life.rows.append(Heard(seq, at_ns, at_ns, replace(each.row, status=Status.WORKING), is_book=False))
        if each.row.status is Status.CANCELLED:
            end_ns = 300 * SECOND_NS
            life.rows.append(Heard(seq, end_ns, end_ns, each.row, is_book=False))
    total: dict[str, int] = {}
    for seq, trade_ in enumerate(account.trades, 100):
        assert trade_.at_ns is not None
        order_id = trade_.row.order_id
        total[order_id] = total.get(order_id, 0) + trade_.row.quantity
        lives.setdefault(order_id, Life()).executed(seq, trade_.at_ns, total[order_id])
    return lives


def case_of(account: Account = SAFE, *, ours: frozenset[str] = OURS, is_over: bool = True) -> Case:
    """The account to be judged, with what a journal of the safe day says."""
    about = {each.row.order_id: (each.row.symbol, each.row.side) for each in SAFE.orders}
    lives = heard_lives(SAFE)
    whose = Whose(about, frozenset(("a2", "a4", "b2")))
    found = tuple(spell for plan in PLANS.values() for spell in spells(plan, lives, whose, END))
    return Case(account, PLANS, ours, BUDGET_NS, is_over, spells=found, sent_prices=())
