"""Calls to programs from the server's event loop."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)


class CommandFailedError(Exception):
    """A program ended with an error; the message is its own."""


class Runner:
    """Runs programs in the node's environment; nothing waits for the others."""

    async def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """What the program printed; its last words are in the error.

        A caller that is cancelled waits for the program's end: a Podman that was killed half-way
        could leave a process of which it knows nothing.
        """
        began = time.monotonic()
        child = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(env or {})},
            start_new_session=True,  # who kills the server's group does not kill Podman half-way
        )
        work = asyncio.ensure_future(child.communicate(None if stdin is None else stdin.encode()))
        try:
            out, err = await asyncio.shield(work)
        except asyncio.CancelledError:
            await work
            raise
        # Options may hold a workload's own words: only what the program was asked to do is logged.
        asked = " ".join(arguments[:3])
        log.info("%s: status %s in %.2f s", asked, child.returncode, time.monotonic() - began)
        if child.returncode != 0:
            said = err.decode(errors="replace").strip() or f"status {child.returncode}"
            raise CommandFailedError(said[-2_000:])
        return out.decode()
