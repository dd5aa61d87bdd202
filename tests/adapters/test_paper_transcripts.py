"""The sandbox half of the paper exchange, against what a real OpenAlgo server answered and pushed.

Each recorded session is played into one exchange: prices as prints, requests as calls. Answers, order-update
frames, order statuses, positions and funds must be the recorded ones. Money may differ by one paisa: the
server rounds a position's average price to two decimals at each fill, the exchange never loses a fraction.
"""

import json
import re
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from olaf_async.adapters.paper.exchange import PaperExchange, PaperRules
from olaf_async.adapters.paper.orders import OrderRecord
from olaf_async.domain.order import PriceType, Side, Terms
from olaf_async.errors import BrokerRejected

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "reference" / "openalgo-transcripts"
SUNDAY_NOON_NS = 1_795_332_000 * 1_000_000_000  # 2026-11-22 12:50 in India: the sandbox asks for no session
STUB_PRICES = {"SBIN": 800, "RELIANCE": 3000, "ITC": 400, "M&M": 3000, "INFY": 1500}
RULES = PaperRules(exchange_true=False, capital_paise=1_00_00_000_00)
OF_THE_WIRE = re.compile(
    r"Missing data|Unknown field|Not a valid|Fractional|'(exchange|pricetype|action)'|apikey"
)

Json = dict[str, Any]


def steps_of(name: str) -> list[Json]:
    """The recording's lines in true order: a call counts when it was answered."""
    file = TRANSCRIPTS / name
    if not file.exists():
        pytest.skip(f"the recordings of the real server are not at {file.parent}")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    order = {case: number for number, case in enumerate(dict.fromkeys(line["case"] for line in lines))}
    return sorted(lines, key=lambda line: (order[line["case"]], line.get("t", 0) + line.get("ms", 0) / 1000))


class Server:
    """An exchange that is spoken to in the wire's words; ``ours`` maps recorded order ids to its own."""

    def __init__(self, quoted: tuple[str, ...]) -> None:
        self.exchange = PaperExchange(RULES, dict.fromkeys(STUB_PRICES, 5))
        self.now_ns = SUNDAY_NOON_NS
        self.ours: dict[str, str] = {}
        for symbol in quoted:
            self.hear({"symbol": symbol, "ltp": STUB_PRICES[symbol]})

    def hear(self, price: Json) -> None:
        self.now_ns += 1_000_000
        symbol, last = price["symbol"], paise(price["ltp"])
        self.exchange.on_print(symbol, last, self.now_ns)
        bid, ask = (paise(price.get(word, (last + off) / 100)) for word, off in (("bid", -5), ("ask", 5)))
        self.exchange.set_quote(symbol, bid, ask)

    def call(self, path: str, body: Json) -> tuple[int, str]:
        """HTTP status, and order id or message."""
        self.now_ns += 1_000_000
        act = {"placeorder": self._place, "modifyorder": self._modify, "cancelorder": self._cancel}[path]
        try:
            return 200, act(body)
        except BrokerRejected as refusal:
            return 404 if str(refusal).startswith("Order ") else 400, str(refusal)

    def _place(self, body: Json) -> str:
        return self.exchange.place(
            body["symbol"],
            Side(body["action"].upper()),
            PriceType(body.get("pricetype", "MARKET")),
            terms_of(body),
            self.now_ns,
            product=body.get("product", "MIS"),
            strategy=body["strategy"],
        )

    def _modify(self, body: Json) -> str:
        order_id: str = self.ours.get(body["orderid"]) or body["orderid"]
        kind = PriceType(body["pricetype"])
        self.exchange.modify(order_id, terms_of(body), self.now_ns, price_type=kind)
        return order_id

    def _cancel(self, body: Json) -> str:
        order_id: str = self.ours.get(body["orderid"]) or body["orderid"]
        self.exchange.cancel(order_id, self.now_ns)
        return order_id


def terms_of(body: Json) -> Terms:
    return Terms(int(body["quantity"]), paise(body.get("price", 0)), paise(body.get("trigger_price", 0)))


def paise(rupees: str | float) -> int:
    """As the server keeps prices: two decimals."""
    return round(Decimal(str(rupees)) * 100)


def told(frame: OrderRecord) -> Json:
    """A frame of ours in the wire's words."""
    return {
        "symbol": frame.symbol,
        "action": frame.side.value,
        "quantity": frame.quantity,
        "price": frame.price,
        "trigger_price": frame.trigger,
        "pricetype": frame.price_type.value,
        "product": frame.product,
        "order_status": str(frame.status),
        "filled_quantity": frame.filled,
        "pending_quantity": frame.pending,
        "average_price": frame.average,
        "rejection_reason": frame.reason,
    }


def as_told(row: Json, like: Json) -> Json:
    """A row or frame of theirs, reduced to what ours has and it may have."""
    row = {**row, "pricetype": row.get("pricetype", row.get("price_type"))}
    for name in ("price", "trigger_price", "average_price"):
        row[name] = paise(row[name])
    return {name: row.get(name) for name in like}


def is_same_refusal(ours: str, theirs: str) -> bool:
    amount = re.compile(r"₹([\d.]+)")
    amounts = zip(amount.findall(ours), amount.findall(theirs), strict=True)
    near = all(abs(paise(mine) - paise(real)) <= 1 for mine, real in amounts)
    return near and amount.sub("", ours) == amount.sub("", theirs)


class Comparison:
    """Plays a recording and compares all it can."""

    def __init__(self, *quoted: str) -> None:
        self.server = Server(quoted)
        self.theirs: dict[str, list[Json]] = defaultdict(list)
        self.ours: dict[str, list[Json]] = defaultdict(list)
        self.compared: Counter[str] = Counter()

    def run(self, name: str, leave_out: str = "") -> None:
        for step in steps_of(name):
            if step["case"] == leave_out:
                continue
            if "price" in step:
                self.server.hear(step["price"])
            elif "request" in step:
                self.compare_call(step["request"]["path"].rsplit("/", 1)[-1], step)
            elif step.get("dir") == "recv" and step["frame"].get("type") == "order_update":
                self.theirs[step["frame"]["orderid"]].append(step["frame"])
            for record in self.server.exchange.take_frames():
                self.ours[record.order_id].append(told(record))

    def compare_call(self, path: str, step: Json) -> None:
        answer, case = step.get("response") or {}, step["case"]
        if path in {"placeorder", "modifyorder", "cancelorder"}:
            self.compare_order_call(path, step)
        elif path == "cancelallorder":
            cancelled = {self.server.ours[order_id] for order_id in answer["canceled_orders"]}
            assert cancelled == set(self.server.exchange.cancel_all(self.server.now_ns))
        elif path == "closeposition":
            new = self.server.exchange.close_positions(self.server.now_ns)
            unknown = [order_id for order_id in self.theirs if order_id not in self.server.ours]
            self.server.ours.update(zip(unknown, new, strict=True))
            assert len(new) == answer["closed_positions"]
        elif path == "orderstatus" and step["status"] == 200:
            like = told(self.server.exchange.record(self.server.ours[answer["data"]["orderid"]]))
            assert (case, as_told(answer["data"], like)) == (case, {**like, "rejection_reason": None})
        elif path == "positionbook":
            self.compare_positions(answer["data"])
        elif path == "funds" and step["status"] == 200:
            self.compare_funds(answer["data"])
        else:
            return
        self.compared[path] += 1

    def compare_order_call(self, path: str, step: Json) -> None:
        answer = step["response"]
        if not isinstance(step["request"]["body"], dict) or OF_THE_WIRE.search(answer.get("message", "")):
            return
        status, said = self.server.call(path, step["request"]["body"])
        assert (step["case"], status) == (step["case"], step["status"])
        if status == 200 and path == "placeorder":
            self.server.ours[answer["orderid"]] = said
        elif status != 200:
            assert is_same_refusal(said, answer["message"])
            if "orderid" in answer:
                self.server.ours[answer["orderid"]] = self.server.exchange.records()[-1].order_id

    def compare_positions(self, rows: list[Json]) -> None:
        held = {position.symbol: position for position in self.server.exchange.positions()}
        for row in rows:
            assert row["quantity"] == held[row["symbol"]].quantity
            assert abs(paise(row["today_realized_pnl"]) - held[row["symbol"]].realised) <= 1

    def compare_funds(self, row: Json) -> None:
        funds = self.server.exchange.funds()
        assert abs(paise(row["availablecash"]) - funds.available) <= 1
        assert paise(row["utiliseddebits"]) == funds.used
        assert paise(row["m2munrealized"]) == funds.unrealised

    def compare_frames(self) -> None:
        for order_id, frames in self.theirs.items():
            mine = self.ours[self.server.ours[order_id]]
            assert [as_told(frame, row) for frame, row in zip(frames, mine, strict=True)] == mine


def test_the_recorded_life_of_every_order_type_is_repeated() -> None:
    comparison = Comparison(*STUB_PRICES)
    comparison.run("02-order-lifecycle.jsonl")
    comparison.compare_frames()
    assert comparison.compared["orderstatus"] > 30
    assert len(comparison.theirs) > 30


def test_the_recorded_refusals_are_repeated_word_for_word() -> None:
    comparison = Comparison("SBIN")
    comparison.run("03-rest-errors.jsonl", leave_out="error/market-order-quote-outside-day-range-stays-open")
    assert comparison.compared["placeorder"] > 10
    assert comparison.compared["modifyorder"] >= 6
