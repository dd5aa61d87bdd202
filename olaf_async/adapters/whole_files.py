"""Writes an output file whole or not at all, so that nobody ever reads half of one."""

import os
from pathlib import Path

from olaf_async.errors import ConfigError


def write_whole(path: Path, text: str) -> None:
    """Put ``text`` (UTF-8) at ``path``: into a file beside it first, then under its name in one step.

    Raises:
        ConfigError: the file cannot be written; what was at ``path`` before is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name a writable place") from None
