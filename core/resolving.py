"""Resolves host names within a deadline.

`socket.getaddrinfo` has none: it waits as long as the system waits for name servers, up to half a minute each time, and
the name's owner controls how long its server takes. So each lookup runs in its own thread, which is abandoned when the
time is up. See docs/decisions/0102-slow-receivers-wait-for-each-other.md.
"""

import socket
import threading
from concurrent.futures import Future
from typing import Any, Final

MOST_AT_ONCE: Final = 64

_Found = list[Any]  # as socket.getaddrinfo returns it
_lookups: dict[tuple[str, int], "Future[_Found]"] = {}
_lock = threading.Lock()


def look_up(host: str, port: int, *, seconds: float) -> _Found:
    """Return what `socket.getaddrinfo` finds for a TCP connection. Concurrent lookups of the same name are shared.
    Raises TimeoutError when `seconds` are over or too many lookups are under way; otherwise OSError and UnicodeError,
    like `socket.getaddrinfo`."""
    with _lock:
        lookup = _lookups.get((host, port))
        if lookup is None:
            if len(_lookups) >= MOST_AT_ONCE:
                raise TimeoutError("Too many names are being looked up.")
            lookup = _lookups[host, port] = Future()
            threading.Thread(target=_run, args=(host, port, lookup), name="lookup", daemon=True).start()
    return lookup.result(seconds)


def _run(host: str, port: int, lookup: "Future[_Found]") -> None:
    found: _Found = []
    trouble: Exception | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as error:  # everyone waiting receives it, whatever it is
        trouble = error
    with _lock:
        del _lookups[host, port]
    if trouble is None:
        lookup.set_result(found)
    else:
        lookup.set_exception(trouble)
