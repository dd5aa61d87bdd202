"""The lease: two real processes, in either order, and after a death without a farewell."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from olaf_async.adapters.journal.lease import FILE, Lease, LeaseHeld, holder
from olaf_async.errors import JournalError

NOW_NS = 1_795_405_500_000_000_000
ENGINE = """
import sys
from pathlib import Path
from olaf_async.adapters.journal.lease import Lease, LeaseHeld
try:
    lease = Lease(Path(sys.argv[1]), int(sys.argv[2]))
except LeaseHeld as held:
    print(held, flush=True)
else:
    print("mine", flush=True)
    sys.stdin.read()
    lease.release()
"""


@contextmanager
def engine(directory: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Another process that wants the lease, and what it said of that."""
    command = [sys.executable, "-c", ENGINE, str(directory), str(NOW_NS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_second_engine_refuses_and_names_the_first(tmp_path: Path) -> None:
    with engine(tmp_path) as (first, said), engine(tmp_path) as (_, refusal):
        assert said == "mine"
        assert (
            f"the engine of process {first.pid} has the journals in {tmp_path}, since 2026-11-23T" in refusal
        )


def test_so_it_is_where_this_process_is_the_first(tmp_path: Path) -> None:
    lease = Lease(tmp_path, NOW_NS)
    with engine(tmp_path) as (_, refusal):
        assert f"process {os.getpid()}" in refusal
    lease.release()
    with engine(tmp_path) as (_, said):
        assert said == "mine"


def test_and_where_it_is_the_second(tmp_path: Path) -> None:
    with engine(tmp_path) as (first, _):
        with pytest.raises(LeaseHeld, match=f"process {first.pid}"):
            Lease(tmp_path, NOW_NS)
        told = holder(tmp_path)
        assert told is not None
        assert told.pid == first.pid


def test_a_killed_engine_holds_nothing(tmp_path: Path) -> None:
    with engine(tmp_path) as (first, said):
        assert said == "mine"
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / FILE).read_bytes(), "it had no time to take its name away"
        assert holder(tmp_path) is None
        with engine(tmp_path) as (_, said_by_the_next):
            assert said_by_the_next == "mine"


def test_one_that_ends_by_itself_leaves_no_name(tmp_path: Path) -> None:
    Lease(tmp_path, NOW_NS).release()
    assert (tmp_path / FILE).read_bytes() == b""
    assert holder(tmp_path) is None


def test_a_name_alone_holds_nothing(tmp_path: Path) -> None:
    lease = Lease(tmp_path, NOW_NS)
    name = (tmp_path / FILE).read_bytes()
    lease.release()
    (tmp_path / FILE).write_bytes(name)
    Lease(tmp_path, NOW_NS).release()


def test_without_a_name_the_holder_is_still_a_holder(tmp_path: Path) -> None:
    lease = Lease(tmp_path, NOW_NS)
    (tmp_path / FILE).write_bytes(b"{")
    with pytest.raises(LeaseHeld, match="another engine has the journals"):
        Lease(tmp_path, NOW_NS)
    lease.release()


def test_two_directories_are_two_leases(tmp_path: Path) -> None:
    first, second = Lease(tmp_path / "a", NOW_NS), Lease(tmp_path / "b", NOW_NS)
    first.release()
    second.release()


def test_a_directory_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        Lease(tmp_path / "file", NOW_NS)
