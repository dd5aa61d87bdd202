"""``serve-paper`` in a process of its own, as a user starts it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

STARTED_WITHIN_S: Final = 60
"""A bound for a broken run on a busy machine; nothing waits it out."""

KEY: Final = "test-key"

Json = dict[str, Any]


@dataclass(frozen=True)
class ServedProcess:
    """A server in another process; ``told`` is the line it began with."""

    process: Process
    told: Json
    session: aiohttp.ClientSession

    async def control(self, path: str, body: Json | None = None) -> Json:
        """Ask the control endpoint: GET without a body, else POST."""
        method = "GET" if body is None else "POST"
        headers = {"X-API-Key": KEY}
        url = self.told["rest"] + path
        async with self.session.request(method, url, json=body, headers=headers) as response:
            answer: Json = await response.json()
            assert response.status == 200, answer
            return answer

    async def price(self, symbol: str, ltp: str) -> None:
        """Let a price be printed."""
        await self.control("/paper/price", {"symbol": symbol, "ltp": ltp})

    async def end(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Stop it; its exit code, and what it had said on standard error."""
        self.process.send_signal(by)
        _, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


@asynccontextmanager
async def serve_paper(*flags: str) -> AsyncIterator[ServedProcess]:
    """Start it with these flags on free ports, and see that it is gone at the end."""
    command = ("-m", "olaf_async", "serve-paper", "--port", "0", "--ws-port", "0", "--json", *flags)
    environment = {**os.environ, "OLAF_BROKER__API_KEY": KEY}
    process = await create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, stderr=PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(STARTED_WITHIN_S):
            line = await process.stdout.readline()
        assert line, (await process.stderr.read()).decode()
        async with aiohttp.ClientSession() as session:
            yield ServedProcess(process, json.loads(line), session)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
