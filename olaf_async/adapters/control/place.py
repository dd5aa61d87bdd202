"""Where the control socket lies: beside the lease, or behind a link there where its path would be too long.

Owns the file, its mode and its end. Only the one who holds the lease of the directory may make it; whatever
stands there then was left by a crash, and is replaced.
"""

import os
import socket
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from olaf_async.errors import ControlError

FILE: Final = "engine.sock"
PATH_MAX: Final = 103
"""Bytes of a path that every system takes: ``sun_path`` of unix(7) has 108 on Linux, elsewhere 104, one of
them for the end."""
BACKLOG: Final = 16


class Place:
    """The socket of one directory, listening from construction until ``close``.

    Raises:
        ControlError: it cannot be made there; the text says why.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self._real = self.path if _fits(self.path) else _short(directory)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listen()
        except OSError as error:
            self.socket.close()
            raise ControlError(f"{self.path} cannot be listened at: {error.strerror or error}") from error
        except ControlError:
            self.socket.close()
            raise

    def _listen(self) -> None:
        """Nobody can connect before ``listen``: by then only its owner may."""
        if self._real is not self.path:
            _make_private(self._real.parent)
        self._real.unlink(missing_ok=True)
        self.socket.bind(str(self._real))
        self._real.chmod(stat.S_IRUSR | stat.S_IWUSR)
        if self._real is not self.path:
            self.path.unlink(missing_ok=True)
            self.path.symlink_to(self._real)
        self.socket.listen(BACKLOG)

    def close(self) -> None:
        """Take the files away; whoever serves the socket closes that."""
        for path in {self._real, self.path}:
            with suppress(OSError):
                path.unlink()


def reached(directory: Path) -> Path:
    """The path to connect to for the engine of this directory, whether there is one or not."""
    path = directory / FILE
    return path if _fits(path) else _target(path)


def _target(link: Path) -> Path:
    try:
        return link.readlink()
    except OSError:
        return link


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= PATH_MAX


def _short(directory: Path) -> Path:
    """A path for a directory whose own is too long, the same for the same directory.

    Raises:
        ControlError: even that is too long.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR") or gettempdir()
    name = sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    path = Path(runtime) / f"olaf-{os.getuid()}" / f"{name}.sock"
    if not _fits(path):
        raise ControlError(
            f"the path of a control socket is too long in {directory}, and in {runtime} too: name a shorter"
            f" directory as journal.dir (up to {PATH_MAX - len(FILE) - 1} bytes) or as XDG_RUNTIME_DIR"
        )
    return path


def _make_private(folder: Path) -> None:
    """Make the folder for nobody else's eyes.

    Raises:
        ControlError: somebody else has it, or may look into it: what is told there could be theirs.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not is_private or found.st_uid != os.getuid():
        raise ControlError(f"{folder} is open to others: it must be a folder of your own with mode 700")
