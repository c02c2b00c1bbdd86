"""The columns a CSV file may have, and how the cells of a row become the document that the API accepts as JSON."""

import re
from collections.abc import Sequence
from typing import Any

from core.errors import FieldError
from core.postal import PARTS

from ..eligibility.faults import closest
from .faults import UnreadableFile

LISTS = ("manufacturerSlugs", "tags")
TEXTS = (
    "identificationType",
    "leadId",
    "customerId",
    "enrollmentId",
    "firstName",
    "lastName",
    "email",
    "phone",
    "serialNumber",
    "referenceId",
    "referenceDescription",
)
COLUMNS = (*TEXTS, *PARTS, *LISTS)
METADATA = "metadata."
NAMING = ("leadId", "customerId", "enrollmentId", "email")  # at least one of these identifies the person of a row
MAX_COLUMNS = 200

_folded = {name.lower(): name for name in COLUMNS}
# A JSON number small enough for every client to hold; 007 is not one, and stays text.
_number = re.compile(r"-?(0|[1-9][0-9]{0,14})([.][0-9]{1,6})?")
_truths = {"true": True, "false": False}


def read_header(line: int, cells: Sequence[str]) -> list[str]:
    """Return the columns as the API spells them. Letter case, spaces, - and _ do not matter. Raises UnreadableFile."""
    columns: list[str] = []
    if len(cells) > MAX_COLUMNS:
        raise UnreadableFile(line, f"There are {len(cells):,} columns, and {MAX_COLUMNS} are the most.", code="header")
    for position, cell in enumerate(cells, start=1):
        column = find_column(cell)
        if column is None:
            raise UnreadableFile(line, _unknown(cell, position), field=cell[:50] or "file", code="unknown_column")
        if column in columns:
            raise UnreadableFile(line, f"There are two columns {column}. Keep one.", field=column, code="twice")
        columns.append(column)
    if not any(name in columns for name in NAMING):
        remedy = f"No column says whom a row is about. Have one of {', '.join(NAMING)}."
        raise UnreadableFile(line, remedy, code="nobody_named")
    return columns


def find_column(cell: str) -> str | None:
    """Return the column that a header cell names; None if it names none."""
    text = cell.strip()
    if text.startswith(METADATA) and len(text) > len(METADATA):
        return text
    return _folded.get(re.sub(r"[\s_-]", "", text).lower())


def _unknown(cell: str, position: int) -> str:
    if not cell.strip():
        return f"Column {position} has no name. Name it, or take it out."
    name = cell.strip()[:50]
    meant = closest(name, COLUMNS)
    known = "" if meant else f" The columns are {', '.join(COLUMNS)}."
    remedy = f"Take it out, or name it metadata.{name} to keep it with the enrollment."
    return f"There is no column {name}{meant}.{known} {remedy}"


def to_document(columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any] | FieldError:
    """Return a row as the API's JSON, without its empty cells, or the reason it can't be converted."""
    if len(cells) != len(columns):
        remedy = (
            f"The row has {len(cells):,} cells, and the header names {len(columns):,}. Put cells that hold a separator "
            "in quotes."
        )
        return FieldError("row", "ragged", remedy)
    document: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        text = cell.strip()
        if not text:
            continue
        if column.startswith(METADATA):
            document.setdefault("metadata", {})[column.removeprefix(METADATA)] = _value(text)
        elif column in LISTS:
            document[column] = [item.strip() for item in text.split(",") if item.strip()]
        elif column in PARTS:
            document.setdefault("address", {})[column] = text
        else:
            document[column] = text
    return document


def _value(text: str) -> Any:
    """Convert a metadata value, which criteria compare: numbers, and true and false as JSON spells them."""
    if text in _truths:
        return _truths[text]
    if found := _number.fullmatch(text):
        return float(text) if found[2] else int(text)
    return text
