"""A OneRoster 1.2 archive: what its manifest promises, and the rows of its files as a stream. Nothing is extracted to a
path, and content that would unpack to more than the limits allow is refused before it is read.
"""

import csv
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from ..faults import UnreadableFile
from ..lines import find_encoding, read_lines
from ..reading import CountedLines, closed_rows

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_ENTRIES = 100
MAX_BYTES = 2_000_000_000  # of all files together, unpacked
MAX_RATIO = 200  # rosters typically compress to about a tenth
SMALL = 1_000_000  # bytes, below which the ratio is meaningless
MANIFEST = "manifest.csv"
VERSION = "1.2"
ABSENT = "absent"
MODES = ("bulk", "delta", ABSENT)
# What `zipfile` raises if sizes, offsets, names, flags, or data were corrupted in transit.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    IndexError,
)
# Files that archiving tools leave in an archive.
_ASIDE = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file by column name, and the line where it begins."""

    line: int
    cells: dict[str, str]

    def get(self, column: str) -> str:
        """Return the value of a column; empty if the file has no such column."""
        return self.cells.get(column.lower(), "")

    @property
    def is_to_be_deleted(self) -> bool:
        return self.get("status").lower() == "tobedeleted"


class Archive:
    """The files of an archive whose manifest was found valid."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._entries = _entries_of(packed)
        self._packed = packed
        self.guessed: dict[str, str] = {}  # files without a marked encoding, and what their sender should know
        self.modes = self._read_manifest()

    def read(self, name: str, *required: str) -> Iterator[Row]:
        """Yield the rows of a file. Raises UnreadableFile, now or while they are read."""
        entry = self._entries.get(name)
        if entry is None:
            raise UnreadableFile(None, f"{name}: The archive has no such file. Add it.", field=name, code="missing")
        with _whole():
            file = self._packed.open(entry)
        with file:
            yield from self._rows(name, file, required)

    def has(self, name: str) -> bool:
        """Return whether the manifest promises the file, which then exists."""
        return self.modes.get(name.removesuffix(".csv"), ABSENT) != ABSENT

    def left_out(self, *known: str) -> list[str]:
        """Return the files that are not read: the manifest does not promise them, or we have no use for them."""
        return sorted(name for name in self._entries if name != MANIFEST and not (name in known and self.has(name)))

    def _read_manifest(self) -> dict[str, str]:
        said = {row.get("propertyName"): row.get("value") for row in self.read(MANIFEST, "propertyName", "value")}
        if said.get("oneroster.version") != VERSION:
            remedy = f"{MANIFEST}: oneroster.version has to be {VERSION}. Export the roster as OneRoster {VERSION} CSV."
            raise UnreadableFile(None, remedy, field="oneroster.version", code="version")
        modes = {
            key.removeprefix("file.").lower(): mode.lower() for key, mode in said.items() if key.startswith("file.")
        }
        for name, mode in modes.items():
            if mode not in MODES:
                remedy = f"{MANIFEST}: file.{name} has to be bulk, delta or absent."
                raise UnreadableFile(None, remedy, field=f"file.{name}", code="mode")
            if mode != ABSENT and f"{name}.csv" not in self._entries:
                remedy = f"{name}.csv: The manifest promises this file, and the archive has none. Add it."
                raise UnreadableFile(None, remedy, field=f"{name}.csv", code="missing")
        return modes

    def _rows(self, name: str, file: IO[bytes], required: tuple[str, ...]) -> Iterator[Row]:
        try:
            whole = io.BufferedReader(_Unpacked(file))
            encoding = find_encoding(whole)
            if encoding.notice:
                self.guessed[name] = encoding.notice
            lines = CountedLines(read_lines(whole, encoding))
            columns: list[str] | None = None
            begins = 1
            for cells in closed_rows(csv.reader(lines, strict=True), lines):
                line = begins
                begins = lines.number + 1
                if not any(cell.strip() for cell in cells):
                    continue
                if columns is None:
                    columns = [cell.strip().lower() for cell in cells]
                    _require(columns, required, line)
                    continue
                yield Row(line, dict(zip(columns, (cell.strip() for cell in cells), strict=False)))
        except UnreadableFile as refusal:
            raise UnreadableFile(None, f"{name}: {refusal.detail}", field=name) from refusal


class _Unpacked(io.RawIOBase):
    """The bytes of a file in the archive. Raises UnreadableFile where they are damaged."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _whole():
            return self._file.seek(offset, whence)

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        with _whole():
            read = self._file.read(len(view))
        view[: len(read)] = read
        return len(read)


@contextmanager
def open_archive(file: IO[bytes]) -> Iterator[Archive]:
    """Yield the archive while it is open. Raises UnreadableFile if it is faulty as a whole."""
    with ExitStack() as around:
        with _whole():
            packed = around.enter_context(zipfile.ZipFile(file))
        yield Archive(packed)


@contextmanager
def _whole() -> Iterator[None]:
    """Wrap calls to `zipfile`, and nothing else. Raises UnreadableFile for a damaged archive."""
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:  # an error of our disk, not of a decompressor
            raise
        remedy = "This is no ZIP archive, or it is damaged. Send the archive as the roster system exports it."
        raise UnreadableFile(None, remedy, code="not_zip") from error


def _entries_of(packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries = [entry for entry in packed.infolist() if not (entry.filename.endswith("/") or _is_aside(entry))]
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES:
        raise UnreadableFile(None, f"The archive has more than {MAX_ENTRIES} files.", code="too_many_files")
    is_bomb = any(e.file_size > SMALL and e.file_size > MAX_RATIO * max(e.compress_size, 1) for e in entries)
    if unpacked > MAX_BYTES or is_bomb:
        remedy = "The archive would unpack to far more than a roster holds. Export it again."
        raise UnreadableFile(None, remedy, code="too_large")
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableFile(None, "The archive has a password. Send it without one.", code="encrypted")
    names = [_name_of(entry) for entry in entries]
    if len(set(names)) < len(names):
        raise UnreadableFile(None, "The archive has two files of one name.", code="repeated_file")
    return dict(zip(names, entries, strict=True))


def _is_aside(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.lower().startswith(_ASIDE)


def _name_of(entry: zipfile.ZipInfo) -> str:
    """Return the name as the manifest spells it. Nothing is extracted, but a name pointing outside is still invalid."""
    name = entry.filename.lower()
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or ":" in name or not parts[0]:
        remedy = "A file in the archive has a name that leads out of it. Export the archive again."
        raise UnreadableFile(None, remedy, code="path")
    if len(parts) > 1:
        remedy = "The files stand in a folder inside the archive. Pack the files themselves, without a folder."
        raise UnreadableFile(None, remedy, code="folder")
    return name


def _require(columns: list[str], required: tuple[str, ...], line: int) -> None:
    missing = [column for column in required if column.lower() not in columns]
    if missing:
        raise UnreadableFile(line, f"There is no column {', '.join(missing)}. Add it.", code="column")
