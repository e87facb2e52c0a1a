"""Calls to programs from the server's event loop."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress

log = logging.getLogger(__name__)


class CommandFailedError(Exception):
    """A program ended with an error; the message is its own."""


class Runner:
    """Runs programs with the node's environment; nothing waits for the others."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}

    async def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> str:
        """What the program printed; its last words are in the error."""
        began = time.monotonic()
        child = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self._environment, **(env or {})},
        )
        try:
            async with asyncio.timeout(timeout_seconds):
                out, err = await child.communicate(None if stdin is None else stdin.encode())
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
            raise
        # Options may hold a workload's own words: only what the program was asked to do is logged.
        asked = " ".join(arguments[:3])
        log.info("%s: status %s in %.2f s", asked, child.returncode, time.monotonic() - began)
        if child.returncode != 0:
            said = err.decode(errors="replace").strip() or f"status {child.returncode}"
            raise CommandFailedError(said[-2_000:])
        return out.decode()
