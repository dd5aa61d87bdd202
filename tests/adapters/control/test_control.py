"""The control socket, for real: what is asked is answered, and no client can harm the engine."""

import asyncio
import os
import select
import socket
import stat
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from olaf_async.adapters.control.client import NoEngine, Remote, ask
from olaf_async.adapters.control.place import BACKLOG, FILE, PATH_MAX, Place, reached
from olaf_async.adapters.control.server import ControlServer
from olaf_async.adapters.control.wire import LINE_MAX, Refusal, read_reply, write_reply, write_request
from olaf_async.adapters.journal.lease import Lease
from olaf_async.errors import ControlError
from olaf_async.ports.control import (
    Answer,
    Comparison,
    Deed,
    Difference,
    Flattening,
    LockWaits,
    OrdersSent,
    OrderStatus,
    Request,
    Standing,
    Status,
    SymbolStatus,
)
from tests.shell.harness import LOOPS, NewLoop

STOP = OrderStatus("INFY/2-stop", "17", "stop", "SELL", "SL", "working", 10, 0, "970.20", "990.00")
INFY = SymbolStatus(
    symbol="INFY",
    side="long",
    words=("holding",),
    held=10,
    average="1000.00",
    stop="990.00",
    last="1001.00",
    last_age_ms=120,
    attempts=1,
    attempts_max=3,
    unprotected_ms=40,
    bare_ms=None,
    frozen=None,
    refusals=(),
    orders=(STOP,),
)
STATUS = Status(
    at_ns=2,
    began_ns=1,
    pid=4711,
    program="0.1.0",
    mode="live",
    refusals=("trading is halted",),
    unsafe=(),
    symbols=(INFY,),
    realised="-12.50",
    trades=1,
    lock_waits=LockWaits(3, 0.25, 1.5),
    orders_sent=OrdersSent(2, 1, 0),
    books_age_ms=900,
    are_books_failing=False,
    is_stream_up=True,
    is_journal_kept=True,
)
DIFFERENCE = Difference("INFY", "terms", "INFY/2-stop (17)", "SELL 10", "SELL 9", needs_person=True)
STUCK_S = 20
"""A bound for a broken test; nothing waits it out."""


@dataclass
class Engine:
    """Operations that answer as laid out, and remember what they were asked."""

    told: Status = STATUS
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    crash: Exception | None = None
    passes: asyncio.Event = field(default_factory=asyncio.Event)
    left_alone: asyncio.Event = field(default_factory=asyncio.Event)

    def status(self) -> Status:
        """See Operations."""
        self._ask("status", None)
        return self.told

    async def halt(self, symbol: str | None) -> Standing:
        """See Operations."""
        self._ask("halt", symbol)
        return Standing(symbol, ("trading is halted",))

    async def resume(self, symbol: str | None) -> Standing:
        """See Operations; the answer waits until it may pass."""
        self._ask("resume", symbol)
        await self.passes.wait()
        return Standing(symbol, ())

    async def flatten(self, symbol: str | None, limit_s: float) -> AsyncGenerator[Flattening, None]:
        """See Operations; the second word waits until it may pass."""
        self._ask(f"flatten {limit_s:g}", symbol)
        try:
            yield Flattening(1, ("INFY: 10 shares held",), is_over=False)
            await self.passes.wait()
            yield Flattening(2, (), is_over=True)
        finally:
            self.left_alone.set()

    async def reconcile(self) -> Comparison:
        """See Operations."""
        self._ask("reconcile", None)
        return Comparison(3, "the running engine", 1, 2, 1, (DIFFERENCE,))

    def _ask(self, what: str, symbol: str | None) -> None:
        self.asked.append((what, symbol))
        if self.crash is not None:
            raise self.crash


class Stand:
    """A server on a folder's socket, and clients of it."""

    def __init__(self, folder: Path, **limits: float) -> None:
        self.folder = folder
        self.engine = Engine()
        self.complaints: list[str] = []
        self.server = ControlServer(self.engine, self.complaints.append, **limits)  # type: ignore[arg-type] # its own
        self._writers: list[asyncio.StreamWriter] = []

    async def ask(self, deed: Deed, symbol: str | None = None, limit_s: float = 60) -> list[Answer]:
        """All answers to one request, by the verbs' own client."""
        request = Request(deed, symbol, limit_s)
        return await asyncio.to_thread(lambda: list(ask(self.folder, request, timeout_s=STUCK_S)))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client that does as the test wants."""
        reader, writer = await asyncio.open_unix_connection(self.folder / FILE)
        self._writers.append(writer)
        return reader, writer

    async def hear(self, requests: int) -> None:
        """Let the loop turn until the engine has been asked so often."""
        while len(self.engine.asked) < requests:  # noqa: ASYNC110 -- time has no part in it
            await asyncio.sleep(0)

    def be_patient(self) -> None:
        """From now on nobody is dropped for being slow, as this machine may be."""
        self.server._patience_s = STUCK_S

    async def leave(self) -> None:
        """Close what the test has left open."""
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def says(self, line: bytes) -> str:
        """Why a line is refused."""
        reader, writer = await self.connect()
        writer.write(line)
        reply, is_last = read_reply(await reader.readline())
        writer.close()
        assert is_last
        assert isinstance(reply, Refusal)
        return reply.why

    async def is_well(self) -> bool:
        """Whether the next one who asks is answered."""
        return await self.ask(Deed.STATUS) == [self.engine.told]


def serve(
    new_loop: NewLoop, folder: Path, scene: Callable[[Stand], Awaitable[None]], **limits: float
) -> Stand:
    """Let a scene happen at a server on a real loop."""

    async def main() -> Stand:
        stand = Stand(folder, **limits)
        try:
            async with asyncio.timeout(STUCK_S), stand.server.serving(folder):
                await scene(stand)
        finally:
            await stand.leave()
        assert not (folder / FILE).exists(), "the socket goes with the server"
        return stand

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())


each_loop = pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)


# --- what is asked is answered ----------------------------------------------------------------------


@each_loop
def test_each_operation_is_answered_with_what_the_engine_says(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        stand.engine.passes.set()
        assert await stand.ask(Deed.STATUS) == [STATUS]
        assert await stand.ask(Deed.HALT) == [Standing(None, ("trading is halted",))]
        assert await stand.ask(Deed.RESUME, "INFY") == [Standing("INFY", ())]
        assert await stand.ask(Deed.RECONCILE) == [
            Comparison(3, "the running engine", 1, 2, 1, (DIFFERENCE,))
        ]
        first, last = await stand.ask(Deed.FLATTEN, "TCS", 2.5)
        assert first == Flattening(1, ("INFY: 10 shares held",), is_over=False)
        assert last == Flattening(2, (), is_over=True)

    stand = serve(new_loop, tmp_path, scene)
    assert stand.engine.asked == [
        ("status", None),
        ("halt", None),
        ("resume", "INFY"),
        ("reconcile", None),
        ("flatten 2.5", "TCS"),
    ]
    assert stand.complaints == []


@each_loop
def test_an_answer_of_any_length_arrives_whole(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        many = tuple(replace(INFY, symbol=f"SYMBOL{number}") for number in range(5_000))
        stand.engine.told = replace(STATUS, symbols=many)
        assert await stand.is_well()

    serve(new_loop, tmp_path, scene)


@each_loop
def test_what_the_engine_refuses_is_refused_in_its_words(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        stand.engine.crash = ControlError("WIPRO is not traded by this engine")
        with pytest.raises(ControlError, match=r"^WIPRO is not traded by this engine$"):
            await stand.ask(Deed.HALT, "WIPRO")

    assert serve(new_loop, tmp_path, scene).complaints == []


@each_loop
def test_clients_are_served_beside_each_other(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        waiting = asyncio.create_task(stand.ask(Deed.RESUME))
        await stand.hear(1)
        assert await stand.is_well()
        stand.engine.passes.set()
        assert await waiting == [Standing(None, ())]

    serve(new_loop, tmp_path, scene)


# --- what clients may do wrong ----------------------------------------------------------------------


@each_loop
@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", "that is no request"),
        (b"hello\n", "that is no request"),
        (b"\x00\xff\xfe\n", "that is no request"),
        (b"[1]\n", "that is no request"),
        (b'{"version": 1}\n', "`request`"),
        (b'{"version": 1, "request": {"deed": "dance"}}\n', "'dance'"),
        (b'{"version": 1, "request": {"deed": "halt", "symbol": 5}}\n', "Expected `str | null`"),
        (b'{"version": 2, "request": {"deed": "halt"}}\n', "version 2 of the control protocol is not spoken"),
    ],
)
def test_a_line_that_is_no_request_is_refused_and_asks_nothing_of_the_engine(
    new_loop: NewLoop, tmp_path: Path, line: bytes, why: str
) -> None:
    async def scene(stand: Stand) -> None:
        assert why in await stand.says(line)
        assert stand.engine.asked == []
        assert await stand.is_well()

    assert serve(new_loop, tmp_path, scene).complaints == []


@each_loop
def test_one_request_is_answered_and_what_comes_after_it_is_not_heard(
    new_loop: NewLoop, tmp_path: Path
) -> None:
    async def scene(stand: Stand) -> None:
        reader, writer = await stand.connect()
        writer.write(write_request(Request(Deed.RESUME)) + b"and another thing\n")
        await stand.hear(1)
        stand.engine.passes.set()
        assert read_reply(await reader.readline()) == (Standing(None, ()), True)
        assert await reader.read() == b""

    assert serve(new_loop, tmp_path, scene).engine.asked == [("resume", None)]


@each_loop
def test_who_floods_the_socket_after_a_request_is_dropped(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        reader, writer = await stand.connect()
        writer.write(write_request(Request(Deed.FLATTEN)) + b"x" * 10 * LINE_MAX)
        await stand.engine.left_alone.wait()
        with suppress(OSError):
            await reader.read()
        assert await stand.is_well()

    assert serve(new_loop, tmp_path, scene).complaints == []


@each_loop
def test_a_line_that_is_too_long_is_refused(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        assert await stand.says(b"x" * (3 * LINE_MAX)) == f"a request has at most {LINE_MAX} bytes"
        assert await stand.is_well()

    serve(new_loop, tmp_path, scene)


@each_loop
def test_a_client_that_says_nothing_is_sent_away(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        reader, writer = await stand.connect()
        reply, _ = read_reply(await reader.readline())
        stand.be_patient()
        assert reply == Refusal("no request came within 0.05 s")
        assert await reader.read() == b""
        writer.close()
        assert await stand.is_well()

    serve(new_loop, tmp_path, scene, patience_s=0.05)


@each_loop
@pytest.mark.parametrize("said", [b"", b'{"version": 1, "requ'])
def test_a_client_that_goes_away_before_the_end_of_its_line_is_forgotten(
    new_loop: NewLoop, tmp_path: Path, said: bytes
) -> None:
    async def scene(stand: Stand) -> None:
        for _ in range(20):
            _, writer = await stand.connect()
            writer.write(said)
            writer.close()
            await writer.wait_closed()
        assert await stand.is_well()

    assert serve(new_loop, tmp_path, scene, clients_max=30).complaints == []


@each_loop
def test_who_goes_away_while_a_flatten_is_followed_ends_the_following(
    new_loop: NewLoop, tmp_path: Path
) -> None:
    async def scene(stand: Stand) -> None:
        reader, writer = await stand.connect()
        writer.write(write_request(Request(Deed.FLATTEN)))
        await reader.readline()
        assert not stand.engine.left_alone.is_set()
        writer.close()
        await stand.engine.left_alone.wait()
        assert await stand.is_well()

    assert serve(new_loop, tmp_path, scene).complaints == []


@each_loop
def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_up(
    new_loop: NewLoop, tmp_path: Path
) -> None:
    async def scene(stand: Stand) -> None:
        many = tuple(replace(INFY, symbol=f"SYMBOL{number}") for number in range(5_000))
        stand.engine.told = replace(STATUS, symbols=many)
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(stand.folder / FILE))
            deaf.sendall(write_request(Request(Deed.STATUS)))
            await stand.hear(1)
            stand.engine.told = STATUS
            stand.be_patient()
            assert await stand.is_well()
            deaf.settimeout(STUCK_S)
            received = await asyncio.to_thread(_all_of, deaf)
        assert b'"is_last":true' in received[:100]
        assert not received.endswith(b"\n"), "it was cut off in the middle of its answer"

    serve(new_loop, tmp_path, scene, patience_s=0.05)


def _all_of(connection: socket.socket) -> bytes:
    gone = select.poll()
    gone.register(connection, 0)  # of a connection's end it is told all the same
    assert gone.poll(STUCK_S * 1000), "it has not been given up"
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@each_loop
def test_more_clients_than_are_heard_at_once_are_told_to_come_again(
    new_loop: NewLoop, tmp_path: Path
) -> None:
    async def scene(stand: Stand) -> None:
        idle = [await stand.connect() for _ in range(2)]
        with pytest.raises(ControlError, match="too many ask at once; come again"):
            await stand.ask(Deed.STATUS)
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        assert await stand.is_well()

    serve(new_loop, tmp_path, scene, clients_max=2)


@each_loop
def test_an_operation_that_crashes_is_refused_and_told_and_ends_nothing(
    new_loop: NewLoop, tmp_path: Path
) -> None:
    async def scene(stand: Stand) -> None:
        stand.engine.crash = KeyError("orderid")
        with pytest.raises(ControlError, match=r"the engine could not do that: KeyError\('orderid'\)"):
            await stand.ask(Deed.RECONCILE)
        stand.engine.crash = None
        assert await stand.is_well()

    stand = serve(new_loop, tmp_path, scene)
    assert stand.complaints == ["a client of the control socket was dropped: KeyError('orderid')"]


@each_loop
def test_the_end_of_the_server_waits_for_no_client(new_loop: NewLoop, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        asked = write_request(Request(Deed.RESUME)), write_request(Request(Deed.FLATTEN))
        for said in (b"", b'{"vers', *asked):
            _, writer = await stand.connect()
            writer.write(said)
        await stand.hear(len(asked))

    assert serve(new_loop, tmp_path, scene, patience_s=3600).complaints == []


# --- the place ----------------------------------------------------------------------------------------


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for sockets whose own path is too long; a test's own folder may be too deep for it."""
    with TemporaryDirectory(prefix="olaf") as short:
        runtime = Path(short) / "run"
        runtime.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        yield runtime


def far(tmp_path: Path) -> Path:
    """A folder whose path no socket can have."""
    folder = tmp_path / ("deep-" * 30)
    folder.mkdir()
    return folder


@contextmanager
def placed(folder: Path) -> Iterator[Place]:
    place = Place(folder)
    with place.socket:
        try:
            yield place
        finally:
            place.close()


def test_only_its_owner_may_use_the_socket(tmp_path: Path) -> None:
    with placed(tmp_path):
        mode = (tmp_path / FILE).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", ["a socket", "a file", "a link to nothing"])
@pytest.mark.parametrize("is_far", [False, True], ids=["near", "far"])
def test_what_a_crash_left_there_is_replaced(tmp_path: Path, private: Path, left: str, is_far: bool) -> None:
    folder = far(tmp_path) if is_far else tmp_path
    if left == "a socket":
        crashed = Place(folder)
        crashed.socket.close()
        with pytest.raises(NoEngine):
            list(ask(folder, Request(Deed.STATUS)))
    elif left == "a file":
        (folder / FILE).write_text("")
    else:
        (folder / FILE).symlink_to(private / "gone")
    with placed(folder), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(reached(folder)))
    assert not (folder / FILE).is_symlink()
    assert not (folder / FILE).exists()


@each_loop
def test_where_the_path_is_too_long_a_link_leads_to_a_short_one(
    new_loop: NewLoop, tmp_path: Path, private: Path
) -> None:
    folder = far(tmp_path)

    async def scene(stand: Stand) -> None:
        assert len(str(folder / FILE)) > PATH_MAX
        real = (folder / FILE).readlink()
        assert stat.S_IMODE(real.stat().st_mode) == 0o600
        assert stat.S_IMODE(real.parent.stat().st_mode) == 0o700
        assert real.is_relative_to(private)
        assert await stand.is_well()

    serve(new_loop, folder, scene)
    assert [path for path in private.rglob("*") if not path.is_dir()] == []


def test_two_folders_too_deep_have_a_socket_each(tmp_path: Path, private: Path) -> None:
    folders = [far(tmp_path), far(private)]
    with ExitStack() as stack:
        places = [stack.enter_context(placed(folder)) for folder in folders]
        assert len({reached(folder) for folder in folders}) == len(places)


def test_a_private_folder_that_others_may_open_is_not_used(tmp_path: Path, private: Path) -> None:
    folder = far(tmp_path)
    with placed(folder):
        shared = reached(folder).parent
    shared.chmod(0o755)
    with pytest.raises(ControlError, match=f"{shared} is open to others"):
        Place(folder)


def test_where_no_path_is_short_enough_the_setting_to_change_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = far(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    with pytest.raises(ControlError, match=r"name a shorter directory as journal\.dir \(up to 91 bytes\)"):
        Place(folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"engine\.sock cannot be listened at: No such file or directory"):
        Place(tmp_path / "gone")


# --- the client ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_far", [False, True], ids=["near", "far"])
def test_where_no_engine_runs_the_file_that_was_looked_for_is_named(tmp_path: Path, is_far: bool) -> None:
    folder = far(tmp_path) if is_far else tmp_path
    with pytest.raises(NoEngine, match=f"no engine is running here: nobody listens at {folder / FILE}"):
        list(ask(folder, Request(Deed.STATUS)))
    assert list(folder.iterdir()) == []


def test_an_engine_that_has_the_lease_and_does_not_listen_is_named(tmp_path: Path) -> None:
    lease = Lease(tmp_path, 0)
    try:
        with pytest.raises(NoEngine, match=r"the engine of process \d+, there since .*, does not listen at"):
            list(ask(tmp_path, Request(Deed.STATUS)))
    finally:
        lease.release()


def ask_status(folder: Path) -> list[Answer]:
    return list(ask(folder, Request(Deed.STATUS), timeout_s=STUCK_S))


def answered_with(
    folder: Path, data: bytes, asks: Callable[[Path], list[Answer]] = ask_status
) -> list[Answer]:
    """What a client makes of an engine that says this and goes."""
    with placed(folder) as place:

        def answer() -> None:
            connection, _ = place.socket.accept()
            with connection:
                connection.recv(LINE_MAX)
                connection.sendall(data)

        engine = threading.Thread(target=answer)
        engine.start()
        try:
            return asks(folder)
        finally:
            engine.join()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the engine broke off before its last word"),
        (
            b'{"version":1,"kind":"Standing","is_last":false,"answer":{"symbol":null,"refusals":[]}}\n',
            "broke off",
        ),
        (b'{"version":1,"kind":"Sta', "the engine's answer cannot be read"),
        (b"SSH-2.0\n", "the engine's answer cannot be read"),
        (b'{"version":1,"kind":"Opinion","is_last":true,"answer":{}}\n', "unknown kind, Opinion"),
        (b'{"version":7,"kind":"Status","is_last":true,"answer":{}}\n', "version 7 of the control protocol"),
    ],
)
def test_an_engine_that_breaks_off_or_speaks_otherwise_is_told_as_such(
    tmp_path: Path, data: bytes, why: str
) -> None:
    with pytest.raises(ControlError, match=why) as caught:
        answered_with(tmp_path, data)
    assert not isinstance(caught.value, NoEngine)


def test_an_answer_to_another_question_is_not_taken_for_one(tmp_path: Path) -> None:
    told = write_reply(Standing(None, ()), is_last=True)

    def ask_for_status(folder: Path) -> list[Answer]:
        return [Remote(folder, timeout_s=STUCK_S).status()]

    with pytest.raises(ControlError, match="the engine answers with Standing where Status was asked for"):
        answered_with(tmp_path, told, ask_for_status)


def test_an_engine_that_hangs_with_others_waiting_is_not_taken_for_none(tmp_path: Path) -> None:
    with placed(tmp_path), ExitStack() as stack:
        for _ in range(BACKLOG + 1):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.connect(str(tmp_path / FILE))
        with pytest.raises(ControlError, match="the engine lets nobody in: others wait already") as caught:
            list(ask(tmp_path, Request(Deed.STATUS), timeout_s=0.05))
    assert not isinstance(caught.value, NoEngine)


def test_a_socket_of_another_user_is_named_as_such(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("nothing is forbidden to root")
    with placed(tmp_path):
        (tmp_path / FILE).chmod(0)
        with pytest.raises(ControlError, match="belongs to another user"):
            list(ask(tmp_path, Request(Deed.STATUS)))


def test_an_engine_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with placed(tmp_path), pytest.raises(ControlError, match=r"the engine has not answered for 0\.05 s"):
        list(ask(tmp_path, Request(Deed.STATUS), timeout_s=0.05))
