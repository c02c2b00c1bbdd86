"""Shows a browser pages that the test's own process rendered: checking a page's looks needs no running stack."""

import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders

KEPT = ("Content-Security-Policy", "Content-Type")


class Show:
    """Serves static files, and the responses it was given, each at its address. No request reaches Django, because
    the database belongs to the test's thread and transaction."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self._pages: dict[str, Any] = {}

    def put(self, address: str, answer: Any) -> str:
        """Return the address at which a browser finds the response."""
        self._pages[address] = ({name: answer[name] for name in KEPT if name in answer}, answer.content)
        return f"{self.url}{address}"

    def find(self, address: str) -> tuple[dict[str, str], bytes] | None:
        if address in self._pages:
            found: tuple[dict[str, str], bytes] = self._pages[address]
            return found
        path = address.partition("?")[0]
        file = finders.find(path.removeprefix(settings.STATIC_URL)) if path.startswith(settings.STATIC_URL) else None
        if file is None:
            return None
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return {"Content-Type": kind, "Cache-Control": "max-age=3600"}, Path(file).read_bytes()


@contextmanager
def a_show() -> Iterator[Show]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers, body = show.find(self.path) or ({}, b"")
            self.send_response(200 if headers else 404)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    show = Show(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield show
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
