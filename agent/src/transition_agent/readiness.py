"""Tell systemd that what was fenced or leased before the start is closed again.

With `Type=notify` a unit that is ordered after this one, as the kubelet's, waits for it.
"""

import os
import socket
from contextlib import suppress


def tell_ready() -> None:
    """Where no service manager waits, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(address)
        manager.send(b"READY=1")
