"""Running one day from a seed, and what came of it.

Owns the loop that a day runs on and the digest by which two days are told apart. Equal seeds, orders and
faults give equal digests in every process, on the same commit and Python.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from olaf_async.core.fingerprint import fingerprint
from olaf_async.errors import JournalError, OlafError
from olaf_async.ports.journal import Record
from olaf_async.sim.checkers import Violation
from olaf_async.sim.choices import Choices, Drawn, seeded
from olaf_async.sim.faults import SECOND_NS, Fault
from olaf_async.sim.life import Life
from olaf_async.sim.orders import ORDERS
from olaf_async.sim.power import PowerLoop
from olaf_async.sim.table import Step
from olaf_async.sim.telling import steps_of
from olaf_async.sim.world import CLOSE_NS, OPEN_NS, STANDING, Walls, World
from olaf_async.sim.yours import OwnCodeError, told

BEFORE_NS: Final = SECOND_NS
"""How long before the open the engine is started."""


@dataclass(frozen=True, slots=True)
class Result:
    """One day: ``violations`` in the order of their coming, ``sometimes`` what rare things were seen.

    ``drawn`` are the draws against the calm, and ``steps`` the story of the symbol whose promise was broken
    first; both are kept of such days only.
    """

    seed: int
    order: str
    digest: str
    violations: tuple[Violation, ...]
    sometimes: frozenset[str]
    events: int
    drawn: tuple[Drawn, ...] = field(default=(), repr=False)
    steps: tuple[Step, ...] = field(default=(), repr=False)


def run_day(
    seed: int,
    order: str = "fifo",
    faults: Iterable[Fault] = Fault,
    *,
    walls: Walls = STANDING,
    choices: Choices | None = None,
) -> Result:
    """Simulate one day. ``choices`` take the place of the seed's where a tape is replayed.

    Raises:
        OwnCodeError: what a person has put into the engine, or beside it, has failed.
    """
    drawing = choices or seeded(seed)
    loop = PowerLoop(start_ns=OPEN_NS - BEFORE_NS, pick=ORDERS[order](drawing))
    try:
        world = World(loop, drawing, faults, walls)
        try:
            loop.run_until_complete(_live(world))
        except JournalError as error:
            world.checkers.broken("I6", None, str(error))
        except OlafError as error:
            world.checkers.broken("I5", None, repr(error))
        for left in loop.wind_down():
            world.checkers.broken("I5", None, repr(left))
    finally:
        loop.close()
    if world.own_error is not None:
        raise OwnCodeError(f"{told(world.own_error)}\non the simulated day --seed {seed} --order {order}")
    return _result(seed, order, world, drawing)


async def _live(world: World) -> None:
    """The day, from before the open to after the close; it ends where a promise is broken."""
    past, records = None, list[Record]()
    while True:
        life = Life(world, past, records)
        world.begin(life)
        running = life.start()
        await asyncio.wait({running, world.over, life.is_cut}, return_when=asyncio.FIRST_COMPLETED)
        if world.over.done():
            break
        is_cut = life.is_cut.done()
        if is_cut:
            records = world.kept(life)
        else:
            running.result()
            life.exit()
            world.stopped(life)
            records = life.disk.records()
        is_over = world.loop.now_ns >= CLOSE_NS
        if not is_over or world.executes_at_end:
            past = world.recovered(records)
            if not is_cut:
                world.executes_again(life, past)
        if is_over or world.checkers.violations:
            break
        await world.downtime()
        world.settings_may_change()
    life.cut()


def _result(seed: int, order: str, world: World, choices: Choices) -> Result:
    assert world.life is not None, "every day has at least one run"
    violations = tuple(world.checkers.violations)
    return Result(
        seed,
        order,
        _digest(world, world.life),
        violations,
        frozenset(world.sometimes),
        world.life.engine.seq,
        tuple(choices.noncalm()) if violations else (),
        steps_of(world, violations[0]) if violations else (),
    )


def _digest(world: World, life: Life) -> str:
    """Over all that happened at the exchange, all that was said, and the belief at the end."""
    digest = blake2b(digest_size=16)
    for change in world.exchange.history:
        what = f"{change.order_id},{change.at_ns},{change.what.value},{change.filled},{change.price}"
        digest.update(f"{what},{change.trigger};".encode())
    for at_ns, say in world.alarms:
        digest.update(f"{at_ns},{say.code},{say.symbol};".encode())
    digest.update(fingerprint(life.engine).encode())
    return digest.hexdigest()
