"""A stand-in for ClamAV's daemon that answers INSTREAM as clamd does, and knows one virus: the EICAR test file."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Clamd)
        command = self.rfile.read(len(b"zINSTREAM\0"))
        content = b""
        while length := struct.unpack("!L", self.rfile.read(4))[0]:
            content += self.rfile.read(length)
        server.asked.append((command, content))
        verdict = b"Win.Test.EICAR_HDB-1 FOUND" if EICAR in content else b"OK"
        self.wfile.write(b"stream: " + verdict + b"\0" if server.answer is None else server.answer)


class Clamd(socketserver.ThreadingTCPServer):
    """`asked` lists each command with the file that followed it. `answer` replaces the verdict."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.asked: list[tuple[bytes, bytes]] = []
        self.answer: bytes | None = None
        self.address = f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def running_clamd() -> Iterator[Clamd]:
    with Clamd() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
