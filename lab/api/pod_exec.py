"""`pods/exec` over a WebSocket: a command in a container, its output and its exit status.

Channels are the first byte of each message: 1 output, 2 errors, 3 the status at the end
(`v4.channel.k8s.io`, `v5.channel.k8s.io`). No terminal and no input: quiesce hooks need neither.
"""

import asyncio
import json
import logging
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from starlette.websockets import WebSocket, WebSocketDisconnect

from lab.api.answers import ApiError, bad_request, json_answer, not_found
from lab.api.kinds import POD, Object
from lab.api.podman import container_name
from lab.api.store import Store

log = logging.getLogger(__name__)

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_OUTPUT, _ERRORS, _STATUS = 1, 2, 3
_CHUNK_BYTES = 32 << 10


async def serve(socket: WebSocket, *, store: Store, check: Callable[[], None]) -> None:
    """Answer one exec call; `check` refuses who may not."""
    try:
        check()
        name, command = _asked(socket, store=store)
    except ApiError as error:
        await socket.send_denial_response(json_answer(error.body, status=error.status))
        return
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(subprotocol=next((each for each in PROTOCOLS if each in offered), None))
    process = await asyncio.create_subprocess_exec(
        "podman", "exec", name, *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        await _stream(socket, process)
        await socket.send_bytes(bytes([_STATUS]) + json.dumps(_status(process)).encode())
        await socket.close()
    except (WebSocketDisconnect, OSError) as error:
        log.info("exec in %s: the client went away (%s)", name, error)
    finally:
        with suppress(ProcessLookupError):
            process.kill()


def _asked(socket: WebSocket, *, store: Store) -> tuple[str, list[str]]:
    place, query = socket.path_params, socket.query_params
    pod = store.find(POD, namespace=place["namespace"], name=place["pod"])
    if pod is None:
        raise not_found(POD, name=place["pod"])
    names = [each["name"] for each in pod["spec"]["containers"]]
    container = query.get("container") or names[0]
    if container not in names:
        raise bad_request(f"container {container} is not valid for pod {place['pod']}")
    if not _runs(pod, container=container):
        raise ApiError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            f"unable to upgrade connection: container {container} not found in pod"
            f" {place['pod']}_{place['namespace']}",
            reason="InternalError",
        )
    command = query.getlist("command")
    if not command:
        raise bad_request("you must specify at least one command for the container")
    return container_name(pod, container=container), command


def _runs(pod: Object, *, container: str) -> bool:
    statuses = pod["status"].get("containerStatuses", ())
    return any(each["name"] == container and "running" in each["state"] for each in statuses)


async def _stream(socket: WebSocket, process: Process) -> None:
    async def forward(source: asyncio.StreamReader | None, *, channel: int) -> None:
        while source and (content := await source.read(_CHUNK_BYTES)):
            await socket.send_bytes(bytes([channel]) + content)

    await asyncio.gather(
        forward(process.stdout, channel=_OUTPUT), forward(process.stderr, channel=_ERRORS)
    )
    await process.wait()


def _status(process: Process) -> Object:
    if process.returncode == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {process.returncode}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(process.returncode)}]},
    }
