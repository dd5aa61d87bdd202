"""What a person brings to a simulated day: a strategy of their own, or code that runs beside the engine.

Owns how such code is found by its name, asked, and named when it fails. Must never change what it answers,
and never reach the engine: code beside it has the same ports, and no more.

Two promises are the strategy's own:
    Y1  asked the same again, a strategy answers the same
    Y2  its prices are whole paise on the tick grid, its first stop lies behind the fill
"""

import inspect
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from olaf_async.domain.bar import Bar
from olaf_async.domain.intents import CancelOrder, ModifyOrder, PlaceOrder
from olaf_async.domain.price import Paise, is_on_tick
from olaf_async.domain.session import Session
from olaf_async.domain.setup import Direction, Setup
from olaf_async.errors import ConfigError, OlafError
from olaf_async.ports.broker import AccountNews, Books
from olaf_async.ports.feed import Tick
from olaf_async.shell.supervisor import Ports
from olaf_async.sim.mailbox import Doubled
from olaf_async.strategies.protocol import Arming, Oriented, Strategy, oriented

if TYPE_CHECKING:
    from olaf_async.sim.life import Life
    from olaf_async.sim.world import World

NewStrategy: TypeAlias = Callable[[Setup, Session], Strategy]
Beside: TypeAlias = Callable[[Ports], Awaitable[None]]
Failed: TypeAlias = Callable[[Exception], None]
"""Is told of an error that a person's code raised."""
Broken: TypeAlias = Callable[[str, str], None]
"""Is told which promise a person's strategy has broken, and how."""

HINTS: Final = {
    "I6": "Executed again, a strategy made anew was asked the same. Where it is yours, look for what it keeps"
    " outside of its value: in the module or the class, a clock, a file",
}
"""What the author of a strategy may look for where a promise is broken that is not a strategy's own."""
ASKED: Final = ("direction", "bar_ns", "entry", "arming", "initial_stop", "target", "trailed_stop")
_T = TypeVar("_T")


class OwnCodeError(OlafError):
    """A person's own code has failed. The text names the error and the line."""


@dataclass(frozen=True, slots=True)
class Own:
    """What a person brings, each by its name ``module:name``: names can be sent to another process."""

    strategy: str | None = None
    beside: str | None = None

    @property
    def flags(self) -> str:
        """As the command line has it."""
        given = (("--strategy", self.strategy), ("--beside", self.beside))
        return "".join(f" {flag} {name}" for flag, name in given if name is not None)

    def forget(self) -> None:
        """Let what follows import a person's modules anew: what they keep must not pass to the next day.

        Else a day in its campaign would not be the day that its number alone gives.
        """
        for name in _imported:
            sys.modules.pop(name, None)
        find.cache_clear()


_imported: Final[set[str]] = set()
"""The modules of a person's folder that came in with what was found."""


@cache
def find(text: str) -> Callable[..., Any]:
    """What has the name ``module:name``.

    Raises:
        ConfigError: there is no such module or name in it, it cannot be called, or importing it fails.
    """
    module_name, colon, name = text.partition(":")
    if not (module_name and colon and name):
        raise ConfigError(f"{text!r} is not MODULE:NAME, as in my_strategy:new_strategy")
    before = set(sys.modules)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{text}: importing it fails: {told(error)}") from None
        path = module_name.removesuffix(".py").replace("/", ".")
        meant = "" if path == module_name else f". As a module its name is {path!r}"
        raise ConfigError(
            f"{text}: there is no module {error.name!r} in this folder ({Path.cwd()}), nor is one installed"
            f"{meant}"
        ) from None
    except Exception as error:  # noqa: BLE001 -- whatever a module does, its author is told the line
        raise ConfigError(f"{text}: importing it fails: {told(error)}") from None
    for brought in {module_name, *sys.modules} - (before - {module_name}):
        if _is_theirs(getattr(sys.modules[brought], "__file__", None)):
            _imported.add(brought)
    found = getattr(module, name, None)
    if not callable(found):
        what = "nothing" if found is None else f"only {_a(found)}, which cannot be called,"
        raise ConfigError(f"{text}: {module.__file__} has {what} by the name {name!r}")
    return found  # type: ignore[no-any-return] # callable() does not say what it returns


def check_strategy(text: str, setup: Setup, session: Session) -> None:
    """See that the factory of this name makes strategies.

    Raises:
        ConfigError: it does not, or two that it makes of the same setup are not equal.
    """
    new_strategy = find(text)
    try:
        first, second = new_strategy(setup, session), new_strategy(setup, session)
    except Exception as error:  # noqa: BLE001 -- as above
        raise ConfigError(f"{text}: calling it with a setup and a session fails: {told(error)}") from None
    if inspect.iscoroutine(first):
        first.close()
        second.close()
        raise ConfigError(
            f"{text}: it is an async function; a strategy is made by a plain one (def, no async)"
        )
    missing = [name for name in ASKED if inspect.getattr_static(first, name, _T) is _T]
    if missing:
        raise ConfigError(
            f"{text}: it makes {_a(first)}, which is no strategy; it has no {', '.join(missing)}"
        )
    if first != second:
        raise ConfigError(
            f"{text}: two strategies of the same setup and session are not equal. A strategy is a value:"
            " make it a frozen dataclass of setup, session and settings"
        )


def maker(text: str) -> NewStrategy:
    """The factory of this name, each strategy looked at as it is made.

    It raises:
        OwnCodeError: it fails, or what it makes cannot be traded by.
    """
    new_strategy = find(text)

    def made(setup: Setup, session: Session) -> Strategy:
        asked = f"{text}, asked for a {setup.direction.word} of {setup.symbol}"
        try:
            own: Strategy = new_strategy(setup, session)
            why = _wrong(own, setup)
        except Exception as error:  # noqa: BLE001 -- whatever it is, its author is told the line
            raise OwnCodeError(f"{asked}: {told(error)}") from None
        if why is not None:
            raise OwnCodeError(f"{asked}: {why}")
        return own

    return made


def _wrong(own: Strategy, setup: Setup) -> str | None:
    """What of a strategy, however it came by it, the engine could do nothing with."""
    side, bar_ns = own.direction, own.bar_ns
    if side is not setup.direction:
        return f"direction is {side!r}, and that of its setup {setup.direction!r}: it has to be the same"
    if type(bar_ns) is not int or bar_ns <= 0:
        return f"bar_ns is {bar_ns!r}: how long a bar lasts, in whole nanoseconds above zero"
    armings = {f"arming(after_exit={after})": own.arming(after_exit=after) for after in (False, True)}
    for question, answer in armings.items():
        if type(answer) is not Arming:
            return f"{question} is {_a(answer)}, and no Arming(level, from_ns, until_ns)"
    return None


def check_beside(text: str) -> None:
    """See that what has this name can be awaited.

    Raises:
        ConfigError: it is no async function.
    """
    if not inspect.iscoroutinefunction(inspect.unwrap(find(text))):
        raise ConfigError(f"{text}: it is no async function; what runs beside is `async def NAME(ports)`")


def _a(thing: object) -> str:
    kind = type(thing).__name__
    return "None" if thing is None else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _is_theirs(file: str | None) -> bool:
    """Whether a file lies in the person's folder, and is neither Olaf's nor installed."""
    ours = str(Path(__file__).resolve().parents[1])
    if file is None or file.startswith(ours) or "site-packages" in file:
        return False
    return Path.cwd() in Path(file).parents


def told(error: Exception) -> str:
    """The error in one line, and the line of its author's file that raised it."""
    outside = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) or not outside:
        return what
    frame = outside[-1]
    path = Path(frame.filename).relative_to(Path.cwd())
    return f"{what}\n  {path}, line {frame.lineno}, in {frame.name}: {frame.line}"


class Asked:
    """A person's strategy, asked everything twice; equal where the strategies are."""

    __slots__ = ("_broken", "_failed", "_own", "_setup")

    def __init__(self, own: Strategy, setup: Setup, broken: Broken, failed: Failed) -> None:
        self._own = own
        self._setup = setup
        self._broken = broken
        self._failed = failed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Asked) and self._own == other._own

    def __hash__(self) -> int:
        return hash(self._setup.symbol)

    def _ask(self, what: str, question: Callable[[], _T]) -> _T:
        try:
            answer, again = question(), question()
        except Exception as error:
            self._failed(error)
            raise
        if answer != again:
            self._broken(
                "Y1",
                f"{what} answered {answer}, and asked the same again {again}: a strategy must not count,"
                " keep notes, look at a clock or throw dice",
            )
        return answer

    def _price(self, what: str, price: Oriented) -> Oriented:
        if type(price) is not int:  # whatever its author has declared, and True is no price
            self._broken("Y2", f"{what} is {price!r}, a {type(price).__name__}: prices are whole paise, int")
        elif not is_on_tick(price, self._setup.tick_size):
            self._broken(
                "Y2",
                f"{what} is {price} paise, no multiple of the tick of {self._setup.tick_size}: no broker"
                " takes such an order",
            )
        return price

    def _order_price(self, what: str, price: Oriented) -> Oriented:
        self._price(what, price)
        if type(price) is int and oriented(price, self.direction) <= 0:
            side = "long" if self.direction > 0 else "short"
            self._broken(
                "Y2",
                f"{what} is {price}, which for a {side} is no price. Prices are oriented: a long's are above"
                " zero, a short's below",
            )
        return price

    @property
    def direction(self) -> Direction:
        """See Strategy."""
        return self._ask("direction", lambda: self._own.direction)

    @property
    def bar_ns(self) -> int:
        """See Strategy."""
        return self._ask("bar_ns", lambda: self._own.bar_ns)

    @property
    def entry(self) -> Oriented:
        """See Strategy."""
        return self._order_price("entry", self._ask("entry", lambda: self._own.entry))

    def arming(self, *, after_exit: bool) -> Arming:
        """See Strategy."""
        return self._ask("arming", lambda: self._own.arming(after_exit=after_exit))

    def initial_stop(self, fill: Oriented) -> Oriented:
        """See Strategy."""
        what = f"initial_stop of a fill at {fill}"
        stop = self._price(what, self._ask(what, lambda: self._own.initial_stop(fill)))
        if stop >= fill:
            self._broken(
                "Y2",
                f"{what} is {stop}: not below the fill, so it would be set off at once. Prices are oriented:"
                " for a short, too, higher is more profit",
            )
        return stop

    def target(self, fill: Oriented, initial_stop: Oriented) -> Oriented | None:
        """See Strategy."""
        return self._ask("target", lambda: self._own.target(fill, initial_stop))

    def trailed_stop(self, bar: Bar, *, is_entry_bar: bool) -> Oriented | None:
        """See Strategy."""
        what = f"trailed_stop of a bar that closed at {bar.close}"
        stop = self._ask(what, lambda: self._own.trailed_stop(bar, is_entry_bar=is_entry_bar))
        return stop if stop is None else self._order_price(what, stop)


class Aside:
    """The broker and the feed as code beside the engine has them: the same account, the same prices.

    What it does is noted for the table.
    """

    def __init__(self, world: "World", life: "Life") -> None:
        self._world = world
        self._life = life

    def _note(self, what: object) -> None:
        self._world.aside.append((self._world.loop.now_ns, what))

    async def place(self, intent: PlaceOrder) -> str:
        """See Broker."""
        self._note(intent)
        return await self._life.place(intent)

    async def modify(self, intent: ModifyOrder) -> None:
        """See Broker."""
        self._note(intent)
        await self._life.modify(intent)

    async def cancel(self, intent: CancelOrder) -> None:
        """See Broker."""
        self._note(intent)
        await self._life.cancel(intent)

    async def books(self) -> Books:
        """See Broker."""
        books = await self._life.books()
        self._note(books)
        return books

    async def quote(self, symbol: str) -> Paise | None:
        """See Broker."""
        return await self._life.quote(symbol)

    def news(self) -> AsyncIterator[AccountNews]:
        """See Broker."""
        assert isinstance(self._life.news_heard, Doubled), "there is a second reader"
        return self._life.news_heard.second.read()

    def ticks(self) -> AsyncIterator[Tick]:
        """See Feed."""
        assert isinstance(self._life.feed, Doubled), "there is a second reader"
        return self._life.feed.second.read()
