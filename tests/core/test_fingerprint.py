"""Equal digests mean equal beliefs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from olaf_async.core.account import Account
from olaf_async.core.engine import Engine, Verdict
from olaf_async.core.fingerprint import fingerprint
from olaf_async.core.state import SymbolState
from olaf_async.domain.events import Command, Event, RunBegan
from olaf_async.domain.intents import Intent, OrderIntent
from olaf_async.domain.order import Order, Side
from tests.core.bench import INITIAL, Bench


def day() -> Bench:
    bench = Bench(symbols=("ABC", "XYZ"))
    bench.hold()
    bench.bar(100_00, 101_00, 99_80, 100_50)
    bench.settle()
    return bench


def afresh(engine: Engine) -> str:
    """The digest with nothing taken from before."""
    engine.account.seen_digest = -1, b""
    for trader in engine.traders.values():
        trader.digest, trader.absorbed_digest = None, (None, b"")
    return fingerprint(engine)


def test_the_same_calls_lead_to_the_same_digest() -> None:
    digest = fingerprint(day().engine)
    assert digest == fingerprint(day().engine)
    assert len(digest) == 32
    assert int(digest, 16)


def test_the_digest_is_the_same_in_every_process_whatever_its_hash_seed() -> None:
    code = "from tests.core.test_fingerprint import day, fingerprint; print(fingerprint(day().engine))"
    root = Path(__file__).resolve().parents[2]
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == fingerprint(day().engine)


def test_each_step_changes_the_digest() -> None:
    bench, seen = Bench(), set()
    for story in (bench.undercut, bench.settle, lambda: bench.command(Command.HALT), bench.settle):
        story()
        seen.add(fingerprint(bench.engine))
    assert len(seen) == 4


BESIDES = {"rules", "exposed", "out", "seen_digest"}
"""What the engine is built with, what follows from the symbols or the ids, what is empty between calls."""


@pytest.mark.parametrize("name", sorted(set(Account.__dataclass_fields__) - BESIDES))
def test_every_fact_of_the_account_is_in_the_digest(name: str) -> None:
    engine = day().engine
    before = fingerprint(engine)
    setattr(engine.account, name, {"X": 1} if name == "seen_ids" else "something else")
    assert afresh(engine) != before


ORDERS = {"entry", "stop", "exit", "phantoms", "retired"}
GIVEN = {"setup", "session", "strategy", "account"}


@pytest.mark.parametrize("name", sorted(set(SymbolState.__dataclass_fields__) - GIVEN))
def test_every_fact_of_a_symbol_is_in_the_digest(name: str) -> None:
    engine = day().engine
    before = fingerprint(engine)
    state, order = engine.traders["XYZ"].state, engine.traders["ABC"].state.stop
    something = [order] if name in ("phantoms", "retired") else order
    setattr(state, name, something if name in ORDERS else "something else")
    assert afresh(engine) != before


@pytest.mark.parametrize("name", list(Order.__dataclass_fields__))
def test_every_fact_of_an_order_is_in_the_digest(name: str) -> None:
    engine = day().engine
    before = fingerprint(engine)
    stop = engine.traders["ABC"].state.stop
    assert stop is not None
    setattr(stop, name, "something else")
    assert afresh(engine) != before


def test_the_read_that_is_compared_with_the_next_is_in_the_digest() -> None:
    """An equal read is passed over, so two engines that last took in different ones would part ways."""
    engine = day().engine
    before = fingerprint(engine)
    trader = engine.traders["ABC"]
    rows, executions = trader.absorbed
    assert rows
    trader.absorbed = {}, executions
    assert afresh(engine) != before


def test_what_is_kept_from_before_is_never_out_of_date(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, admit = Engine.handle, Engine.admit
    steps = 0

    def is_fresh(engine: Engine) -> None:
        nonlocal steps
        steps += 1
        assert fingerprint(engine) == afresh(engine)

    def handled(engine: Engine, event: Event) -> list[Intent]:
        intents = handle(engine, event)
        is_fresh(engine)
        return intents

    def admitted(engine: Engine, intent: OrderIntent, now_ns: int) -> Verdict:
        verdict = admit(engine, intent, now_ns)
        is_fresh(engine)
        return verdict

    monkeypatch.setattr(Engine, "handle", handled)
    monkeypatch.setattr(Engine, "admit", admitted)
    bench = day()
    bench.stranger(Side.SELL, 3)
    bench.command(Command.HALT, "XYZ")
    bench.command(Command.RESUME)
    bench.stream(is_up=False)
    bench.tell(RunBegan(bench.later()))
    bench.settle()
    bench.command(Command.FLATTEN)
    bench.settle()
    bench.wait(5)
    assert steps > 30


def test_the_digest_tells_symbols_apart() -> None:
    one, other = Bench(symbols=("ABC", "XYZ")), Bench(symbols=("ABC", "XYZ"))
    for bench, symbol in ((one, "ABC"), (other, "XYZ")):
        bench.symbol = symbol
        bench.hold()
        assert bench.stop.terms.trigger == INITIAL
    assert fingerprint(one.engine) != fingerprint(other.engine)
