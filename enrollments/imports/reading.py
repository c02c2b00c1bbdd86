"""CSV and JSON lines as one stream of records, each with the line where it begins. Memory does not grow with the file.

A fault in one record is reported with it, and the others continue. If it is unclear where records begin and end (a
quote that is never closed, a line without an end), the whole file is refused: UnreadableFile.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.db import models
from rest_framework.exceptions import APIException

from core.errors import FieldError
from core.http.parsing import parse_json_object

from .columns import find_column, read_header, to_document
from .faults import UnreadableFile
from .lines import Encoding, find_encoding, read_lines

SEPARATORS = ",;\t|"


class Format(models.TextChoices):
    """The accepted formats of a file of candidates."""

    CSV = "csv", "CSV"
    JSON_LINES = "ndjson", "JSON lines"


def kind_of(name: str) -> Format:
    """Return the format that a file's name implies: CSV unless it has an extension for JSON lines."""
    return Format.JSON_LINES if name.lower().endswith((".jsonl", ".ndjson", ".json")) else Format.CSV


@dataclass(frozen=True, slots=True)
class Record:
    """The contents of a line, or of several if a cell has line breaks, or the reason they can't be used. `file` is the
    file's name within an archive; otherwise empty.
    """

    line: int
    document: dict[str, Any]
    fault: FieldError | None = None
    file: str = ""


def read_records(file: IO[bytes], kind: Format) -> tuple[Encoding, Iterator[Record]]:
    """Return the file's encoding and its records. Raises UnreadableFile, now or while they are read."""
    encoding = find_encoding(file)
    lines = read_lines(file, encoding)
    return encoding, _read_csv(lines) if kind is Format.CSV else _read_json_lines(lines)


def _read_csv(lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    counted = CountedLines(lines)
    separator = _find_separator(counted)
    rows = csv.reader(counted, delimiter=separator, strict=True)
    columns: list[str] | None = None
    begins = counted.number + 1
    for cells in closed_rows(rows, counted):
        line = begins
        begins = counted.number + 1
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = read_header(line, cells)
            continue
        made = to_document(columns, cells)
        yield Record(line, {}, made) if isinstance(made, FieldError) else Record(line, made)
    if columns is None:
        raise UnreadableFile(None, "There is no line with the names of the columns.", code="empty")


def _read_json_lines(lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    is_empty = True
    for number, line in lines:
        text = line.strip()
        if not text:
            continue
        is_empty = False
        try:
            yield Record(number, parse_json_object(text.encode()))
        except APIException as refusal:
            yield Record(number, {}, _json_fault(refusal))
    if is_empty:
        raise UnreadableFile(None, "There is no line with a candidate.", code="empty")


def _json_fault(refusal: APIException) -> FieldError:
    if isinstance(refusal.detail, dict):
        field, details = next(iter(refusal.detail.items()))
        return FieldError("row" if field == "body" else str(field), "invalid", str(details[0]))  # type: ignore[index]
    return FieldError("row", "not_json", 'Have one JSON object in each line, as in {"email": "name@example.org"}.')


class CountedLines:
    """The lines for the CSV reader, which requests another one while a quote is open."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._held: list[tuple[int, str]] = []
        self.number = 0

    def __iter__(self) -> "CountedLines":
        return self

    def __next__(self) -> str:
        self.number, line = self._held.pop() if self._held else next(self._lines)
        return line

    def peek(self) -> str:
        """Return the next line without consuming it; empty at the end."""
        if not self._held:
            found = next(self._lines, None)
            if found is None:
                return ""
            self._held = [found]
        return self._held[0][1]


def _find_separator(lines: CountedLines) -> str:
    """Return the separator that yields the most known columns; a first line `sep=;`, as Excel writes it, decides."""
    while (first := lines.peek()) and not first.strip():
        next(lines)
    said = first.strip()
    if said.lower().startswith("sep=") and len(said) == len("sep=;") and said[-1] in SEPARATORS:
        next(lines)
        return said[-1]

    def known(separator: str) -> int:
        return sum(find_column(cell.strip(' "\r\n')) is not None for cell in first.split(separator))

    return max(SEPARATORS, key=known)


def closed_rows(rows: Any, lines: CountedLines) -> Iterator[list[str]]:
    """Yield the rows. A quote that never closes swallows everything after it, so nothing in the file can be trusted."""
    begins = lines.number + 1
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error) and lines.number == begins:
                limit = f"{csv.field_size_limit():,}"
                raise UnreadableFile(begins, f"A cell is longer than {limit} characters.", code="cell") from error
            remedy = (
                "In the row that begins here a quote is not closed, or text follows a closing quote. Close it, and "
                'write a quote inside of a quoted cell twice: "".'
            )
            raise UnreadableFile(begins, remedy, code="open_quote") from error
        begins = lines.number + 1
        yield cells
