"""The lines of a file, whatever encoding it was saved in. No more than one line is in memory at a time."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from .faults import UnreadableFile

MAX_LINE = 1_000_000  # characters
LOOKED_AT = 4_096  # bytes that are read to detect the kind of file

# Detected by their first bytes: files that are not text, and what to send instead.
_NO_TEXT = (
    (b"PK\x03\x04", "This is a ZIP archive or a workbook (XLSX). Unpack it, or save the sheet as CSV in UTF-8."),
    (b"PK\x05\x06", "This is an empty ZIP archive. Send the CSV or JSON lines file itself."),
    (b"\x1f\x8b", "This file is compressed by gzip. Unpack it and send what it holds."),
    (b"BZh", "This file is compressed by bzip2. Unpack it and send what it holds."),
    (b"\xfd7zXZ", "This file is compressed by xz. Unpack it and send what it holds."),
    (b"7z\xbc\xaf\x27\x1c", "This is a 7-Zip archive. Unpack it and send what it holds."),
    (b"\x28\xb5\x2f\xfd", "This file is compressed by zstd. Unpack it and send what it holds."),
    (b"\xd0\xcf\x11\xe0", "This is a workbook (XLS). Save the sheet as CSV in UTF-8."),
    (b"%PDF", "This is a PDF. Send a CSV or JSON lines file."),
    (codecs.BOM_UTF32_LE, "This file is in UTF-32. Save it as UTF-8."),
    (codecs.BOM_UTF32_BE, "This file is in UTF-32. Save it as UTF-8."),
)
# Bytes that are undefined in Windows-1252, in the form in which Python carries bytes that are not UTF-8.
_UNDEFINED = frozenset("\udc81\udc8d\udc8f\udc90\udc9d")
READ_AS_WINDOWS = (
    "The file is not in UTF-8. It was read as Windows-1252: look whether names with accents are right, or save it "
    "as UTF-8."
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding's Python name, and what the sender should know if it was guessed."""

    name: str
    notice: str = ""


def read_lines(file: IO[bytes], encoding: Encoding) -> Iterator[tuple[int, str]]:
    """Yield the lines, with their line endings, numbered from 1. Raises UnreadableFile."""
    return _lines(file, encoding.name, errors="strict")


def find_encoding(file: IO[bytes]) -> Encoding:
    """Return the file's encoding, reading the file once from its beginning. Raises UnreadableFile if it is not text."""
    file.seek(0)
    start = file.read(LOOKED_AT)
    if not start:
        raise UnreadableFile(None, "The file is empty.", code="empty")
    for magic, remedy in _NO_TEXT:
        if start.startswith(magic):
            raise UnreadableFile(None, remedy, code="not_text")
    if wide := _wide_encoding(start):
        for number, line in _lines(file, wide, errors="strict"):
            _refuse_nul(number, line)
        return Encoding(wide)
    return _narrow_encoding(file)


def _wide_encoding(start: bytes) -> str:
    """Return the kind of UTF-16, by its byte order mark or the zeros next to Latin letters; otherwise an empty text."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    pairs = len(start) // 2
    for name, zeros, letters in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if pairs and zeros.count(0) > 0.7 * pairs and letters.count(0) == 0:
            return name
    return ""


def _narrow_encoding(file: IO[bytes]) -> Encoding:
    """Return UTF-8 if the whole file is valid, or Windows-1252 if it has nothing that looks like UTF-8."""
    first_other = 0
    has_utf8 = False
    undefined = 0
    for number, line in _lines(file, "utf-8-sig", errors="surrogateescape"):
        _refuse_nul(number, line)
        if line.isascii():
            continue
        others = {character for character in line if "\udc80" <= character <= "\udcff"}
        first_other = first_other or (number if others else 0)
        undefined = undefined or (number if others & _UNDEFINED else 0)
        has_utf8 = has_utf8 or any(character > "\x7f" and character not in others for character in line)
    if not first_other:
        return Encoding("utf-8-sig")
    if has_utf8:
        remedy = "This line is not in UTF-8, and other lines are. Save the whole file in UTF-8."
        raise UnreadableFile(first_other, remedy, code="mixed_encoding")
    if undefined:
        remedy = "There are bytes that are text neither in UTF-8 nor in Windows-1252. Save the file in UTF-8."
        raise UnreadableFile(undefined, remedy, code="unknown_encoding")
    return Encoding("cp1252", READ_AS_WINDOWS)


def _lines(file: IO[bytes], encoding: str, *, errors: str) -> Iterator[tuple[int, str]]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
    number = 0
    try:
        while True:
            number += 1
            line = text.readline(MAX_LINE + 1)
            if not line:
                return
            if len(line) > MAX_LINE:
                remedy = f"The line is longer than {MAX_LINE:,} characters. Put each candidate on a line of their own."
                raise UnreadableFile(number, remedy, code="line_too_long")
            yield number, line
    except UnicodeError as error:
        remedy = "The text breaks off in the middle of a character, or holds half of one. Save the file in UTF-8."
        raise UnreadableFile(number, remedy, code="broken_text") from error
    finally:
        if not file.closed:  # it is open if nobody read to the end
            text.detach()  # or it would close the file too


def _refuse_nul(number: int, line: str) -> None:
    if "\x00" in line:
        remedy = "There is a NUL byte, which no text has. Export the file again, as CSV or JSON lines in UTF-8."
        raise UnreadableFile(number, remedy, code="nul_byte")
