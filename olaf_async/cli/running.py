"""What ``live`` and ``record`` share, which run for hours: their loop, their log, how a check is shown."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from olaf_async.cli.invocation import LOG_NAME

if TYPE_CHECKING:
    from rich.console import Console

    from olaf_async.adapters.openalgo.checks import Finding
    from olaf_async.settings import Settings

T = TypeVar("T")

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run_on_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    import asyncio
    from importlib.util import find_spec

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if find_spec("uvloop") is not None:
        from uvloop import new_event_loop

        factory = new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work())


@contextmanager
def logging_to(stream: TextIO, settings: "Settings") -> Iterator[None]:
    """Log into the stream and, always, into the file.

    Raises:
        ConfigError: the file cannot be opened.
    """
    from loguru import logger

    from olaf_async.logs import configure_logging

    path = settings.log.file or settings.journal.dir / LOG_NAME
    configure_logging(settings.log.level, path, settings.secrets(), stream, settings.session.zone)
    try:
        yield
    finally:
        logger.remove()


def print_finding(console: "Console", finding: "Finding") -> None:
    """One check: how it went, what it was about, what was found."""
    from rich.text import Text

    grade = finding.grade.value
    text = Text.assemble((f"{grade:<5}", _STYLES[grade]), (f"{finding.name:<16}", "bold"), finding.text)
    console.print(text, soft_wrap=True)
