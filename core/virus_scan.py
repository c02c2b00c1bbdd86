"""Asks the operator's virus scanner about a file: ClamAV's daemon, by its command INSTREAM (clamd(8)).

Without `CLAMD_ADDRESS` no file is scanned.
"""

import re
import socket
import struct
from collections.abc import Iterator

from django.conf import settings
from django.core.files import File

from .network import forbid_open_transaction

CONNECTS_WITHIN = 2.0  # seconds
ANSWERS_WITHIN = 20.0  # seconds; it scans 5 MB in less than one, but may be reading new signatures
CHUNK = 65_536
LONGEST_REPLY = 1_000
REPLY = re.compile(r"stream: (?:OK|(?P<virus>.+) FOUND)")


class ScannerDown(Exception):
    """The scanner does not answer, or not with a verdict. Never about a file."""


def find_virus(content: "File[bytes]") -> str:
    """Return ClamAV's name of the virus in the file; empty if there is none, or if nobody scans. Leaves the file at its
    beginning. Raises ScannerDown.
    """
    if not settings.CLAMD_ADDRESS:
        return ""
    forbid_open_transaction()
    content.seek(0)
    try:
        reply = _ask(settings.CLAMD_ADDRESS, content)
    except OSError as error:
        raise ScannerDown(type(error).__name__) from error
    finally:
        content.seek(0)
    verdict = REPLY.fullmatch(reply)
    if verdict is None:
        raise ScannerDown(reply or "no answer")
    return verdict["virus"] or ""


def _ask(address: str, content: "File[bytes]") -> str:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECTS_WITHIN) as connection:
        connection.settimeout(ANSWERS_WITHIN)
        connection.sendall(b"zINSTREAM\0")
        for chunk in content.chunks(CHUNK):
            connection.sendall(struct.pack("!L", len(chunk)) + chunk)
        connection.sendall(struct.pack("!L", 0))
        answer = b"".join(_read(connection))
    reply, end, _ = answer.partition(b"\0")
    return reply.decode(errors="replace") if end else ""


def _read(connection: socket.socket) -> Iterator[bytes]:
    """Yield the answer up to its end, or up to the length that none of them has."""
    received = 0
    while received < LONGEST_REPLY and (part := connection.recv(LONGEST_REPLY)):
        yield part
        received += len(part)
        if b"\0" in part:
            return
