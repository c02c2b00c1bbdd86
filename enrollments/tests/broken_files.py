"""Files that nobody can import: each with the line that is named, the code, and words of the remedy."""

import gzip
import io
import zipfile
from dataclasses import dataclass

from enrollments.imports.reading import Format

HEADER = b"firstName,lastName,email\n"
ANN = b"Ann,Lee,ann@example.org\n"


@dataclass(frozen=True)
class Broken:
    """What is sent. `line` is None for a fault of the whole file."""

    content: bytes
    code: str
    line: int | None
    told: str
    kind: Format = Format.CSV


def _zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("candidates.csv", bytes(5_000_000))
    return packed.getvalue()


# Rejected as a whole.
BROKEN = {
    "nothing": Broken(b"", "empty", None, "empty"),
    "a mark and nothing": Broken(b"\xef\xbb\xbf", "empty", None, "names of the columns"),
    "empty lines": Broken(b"\n\n  \n", "empty", None, "names of the columns"),
    "empty lines of JSON": Broken(b"\n \n", "empty", None, "a candidate", Format.JSON_LINES),
    "a zip bomb": Broken(_zip_bomb(), "not_text", None, "Unpack it"),
    "an empty archive": Broken(b"PK\x05\x06" + bytes(18), "not_text", None, "itself"),
    "a gzip bomb": Broken(gzip.compress(bytes(5_000_000)), "not_text", None, "gzip"),
    "bzip2": Broken(b"BZh91AY&SY", "not_text", None, "bzip2"),
    "xz": Broken(b"\xfd7zXZ\x00", "not_text", None, "xz"),
    "7-Zip": Broken(b"7z\xbc\xaf\x27\x1c", "not_text", None, "7-Zip"),
    "zstd": Broken(b"\x28\xb5\x2f\xfd", "not_text", None, "zstd"),
    "an old workbook": Broken(b"\xd0\xcf\x11\xe0\xa1\xb1", "not_text", None, "XLS"),
    "a PDF": Broken(b"%PDF-1.7", "not_text", None, "PDF"),
    "UTF-32": Broken("firstName".encode("utf-32"), "not_text", None, "UTF-32"),
    "a NUL byte": Broken(HEADER + ANN + b"B\x00b,Lee,bob@example.org\n", "nul_byte", 3, "NUL"),
    "NUL bytes only": Broken(bytes(100), "nul_byte", 1, "NUL"),
    "two encodings": Broken(
        HEADER + "Zoë,Lee,zoe@example.org\n".encode() + b"Andr\xe9,Lee,a@example.org\n", "mixed_encoding", 3, "UTF-8"
    ),
    "bytes of no encoding": Broken(HEADER + b"\x81\x8d,Lee,ann@example.org\n", "unknown_encoding", 2, "UTF-8"),
    "half of a character": Broken(
        b"\xff\xfe" + (HEADER + ANN).decode().encode("utf-16-le") + b"\x41", "broken_text", 3, "middle"
    ),
    "half of a pair": Broken(
        b"\xff\xfe" + HEADER.decode().encode("utf-16-le") + b"\x00\xd8a\x00", "broken_text", 1, "half"
    ),
    "an endless line": Broken(HEADER + b"x" * 1_000_001, "line_too_long", 2, "longer"),
    "an endless line of JSON": Broken(b'{"a": "' + b"x" * 1_000_001, "line_too_long", 1, "longer", Format.JSON_LINES),
    "an endless cell": Broken(HEADER + b"x" * 140_000 + b",Lee,ann@example.org\n", "cell", 2, "131,072"),
    "a quote that stays open": Broken(
        HEADER + ANN + b'"Bob,Lee,bob@example.org\n' + ANN * 3, "open_quote", 3, "Close it"
    ),
    "a quote that stays open for long": Broken(HEADER + b'"' + ANN * 6_000, "open_quote", 2, "Close it"),
    "text after a quote": Broken(HEADER + b'"Ann"x,Lee,ann@example.org\n', "open_quote", 2, "twice"),
    "an unknown column": Broken(b"email,frstName\nann@example.org,Ann\n", "unknown_column", 1, "firstName"),
    "a column without a name": Broken(b"email,,\nann@example.org,,\n", "unknown_column", 1, "Column 2"),
    "a column twice": Broken(b"email,First Name,first_name\n", "twice", 1, "firstName"),
    "no column of persons": Broken(b"phone,tags\n+14155550123,a\n", "nobody_named", 1, "customerId"),
    "no header": Broken(ANN, "unknown_column", 1, "Ann"),
    "too many columns": Broken(b"email" + b",metadata.a" * 200 + b"\n", "header", 1, "200"),
}

# One record is faulty, and the others are read: the line of the record, the field, and words of the remedy.
FAULTY_RECORDS = {
    "a cell too few": (Format.CSV, HEADER + b"Bob,Lee\n" + ANN, (2, "row", "2 cells")),
    "a cell too many": (Format.CSV, HEADER + b"Bob,Lee,bob@example.org,x\n" + ANN, (2, "row", "in quotes")),
    "no JSON": (Format.JSON_LINES, b"{'a': 1}\n{}", (1, "row", "one JSON object in each line")),
    "a list": (Format.JSON_LINES, b"[1]\n{}", (1, "row", "JSON object")),
    "a lone surrogate": (Format.JSON_LINES, b'{"a": "\\ud800"}\n{}', (1, "a", "surrogate")),
    "a NUL character": (Format.JSON_LINES, b'{"a": "\\u0000"}\n{}', (1, "a", "NUL")),
    "a depth without end": (Format.JSON_LINES, b'{"a":' + b"[" * 100_000 + b"\n{}", (1, "row", "levels")),
    "a number without end": (Format.JSON_LINES, b'{"a": 1' + b"0" * 10_000 + b"}\n{}", (1, "a", "range")),
}
