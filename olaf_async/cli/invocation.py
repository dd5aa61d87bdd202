"""One command line being carried out: its settings, its consoles, and how it ends when it cannot go on.

Exit codes are the contract's: 0 fine, 1 error, 2 usage, 3 settings and input files, 4 unsafe state; and, as
shells have it, 130 after Ctrl-C and 143 after SIGTERM.
"""

import io
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from olaf_async.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from olaf_async.settings import Settings

ERROR: Final = 1
USAGE: Final = 2
BAD_INPUT: Final = 3
UNSAFE: Final = 4
INTERRUPTED: Final = 130
TERMINATED: Final = 143

LOG_NAME: Final = "olaf.log.jsonl"


class Invocation:
    """What the parts of one command line share."""

    def __init__(self) -> None:
        self.is_debugging = False
        self.settings: Settings | None = None

    @cached_property
    def console(self) -> "Console":
        """Standard output. Rich looks after NO_COLOR, the width and whether it is a terminal."""
        from rich.console import Console

        return Console(highlight=False, emoji=False)

    @cached_property
    def errors(self) -> "Console":
        """Standard error; its lines are not folded, so that a path in them stays in one piece."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

    def load(
        self, config: Path | None, sets: Sequence[str] | None, fallback: Path | None = None
    ) -> "Settings":
        """The settings of this command line; ``fallback`` is read where there is no file of the user's.

        Raises:
            ConfigError: a setting is wrong (FlagError where only flags are).
        """
        from olaf_async.settings import load_settings
        from olaf_async.settings.load import DEFAULT_FILE

        if config is None and fallback is not None and not DEFAULT_FILE.exists():
            config = fallback
        self.settings = load_settings(config, dict(_pair(text) for text in sets or ()))
        return self.settings

    def refuse(self, error: ConfigError) -> int:
        """Say what is wrong with flags, settings or input files; the exit code that goes with it."""
        from olaf_async.settings import FlagError

        is_usage = isinstance(error, FlagError)
        what = "the command line" if is_usage else "its settings or input"
        self.errors.print(f"Olaf cannot go on: {what} must be corrected.", style="bold red")
        for line in str(error).splitlines():
            self.errors.print(f"  {line}", markup=False)
        return USAGE if is_usage else BAD_INPUT

    def apologise(self, error: Exception) -> int:
        """Say in one paragraph that Olaf itself failed; the traceback goes to the log."""
        told = f"Olaf stopped on an error of its own ({type(error).__name__}). Sorry."
        self.errors.print(f"{told} {self._log(error)}", style="bold red", markup=False)
        return ERROR

    def _log(self, error: Exception) -> str:
        """Write the error to the log, and to standard error where that is wanted; say where it is."""
        from loguru import logger

        from olaf_async.logs import Redactor, configure_logging

        settings = self.settings
        path = Path("var") / LOG_NAME
        if settings is not None:
            path = settings.log.file or settings.journal.dir / LOG_NAME
        secrets = settings.secrets() if settings is not None else ()
        stream = sys.stderr if self.is_debugging else io.StringIO()
        try:
            configure_logging("ERROR", path, secrets, stream)
        except ConfigError as fault:
            if self.is_debugging:
                sys.stderr.write(Redactor(secrets).text("".join(traceback.format_exception(error))))
            return f"It could not be written down either: {fault}"
        logger.opt(exception=error).error("stopped on an unexpected error")
        logger.remove()
        return f"What happened is in {path}" + ("." if self.is_debugging else "; --debug shows it here.")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
    return key.strip(), value.strip()
