"""Readiness probes, run from the node: its own traffic reaches a pod whatever policies deny."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from lab.api.kinds import Object

_OK = range(200, 400)


async def watch(
    container: Object,
    *,
    address: str,
    tell: Callable[[bool], None],  # noqa: FBT001, RUF100
) -> None:
    """Probe for ever; `tell` hears each change between ready and not ready."""
    probe = container["readinessProbe"]
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    ready, streak = False, 0
    while True:
        good = await once(probe, container=container, address=address)
        streak = 0 if good == ready else streak + 1
        if streak >= probe["successThreshold" if good else "failureThreshold"]:
            ready, streak = good, 0
            tell(ready)
        await asyncio.sleep(probe["periodSeconds"])


async def once(probe: Object, *, container: Object, address: str) -> bool:
    """One attempt: `httpGet` or `tcpSocket`; other forms are not in this slice and never pass."""
    action = probe.get("httpGet") or probe.get("tcpSocket")
    if action is None:
        return False
    port = _port(action["port"], container=container)
    try:
        async with asyncio.timeout(probe["timeoutSeconds"]):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                return "httpGet" not in probe or await _get(action, reader, writer, host=address)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):
        return False


async def _get(
    action: Object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, host: str
) -> bool:
    request = f"GET {action['path']} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    await writer.drain()
    status = (await reader.readline()).split(b" ", 2)
    return len(status) > 1 and int(status[1]) in _OK


def _port(port: int | str, *, container: Object) -> int:
    if isinstance(port, int):
        return port
    named = (each for each in container.get("ports", ()) if each.get("name") == port)
    return int(next(named, {"containerPort": 0})["containerPort"])
