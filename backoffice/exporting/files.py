"""Export files: rows are appended to a draft while the job runs, and written in their format at its end.

A draft holds a line of JSON for each row. A worker that died may have written more than it committed: the next one
truncates the draft to the length recorded in the job. Memory holds only one row at a time.
"""

import csv
import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from django.core.files.storage import Storage, storages

from ..models import Export, ExportFormat

FOLDER = "exports"
MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
XLSX_ROWS = 1_048_575  # per sheet, below its header line
XLSX_CHARACTERS = 32_767  # per cell
# Characters that make a spreadsheet execute a cell, unless it is a number.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"-?[0-9]+([.,][0-9]+)?")


def files_of_exports() -> Storage:
    """Return where the files are stored: outside of what the web server serves."""
    return storages["private"]


def path_of(export: Export) -> Path:
    return _folder() / f"{export.cuid}.{export.format}"


def append_rows(export: Export, cells: Sequence[Sequence[str]]) -> int:
    """Append these rows after those recorded in the job; return the length of the draft."""
    with _draft(export).open("ab") as draft:
        draft.truncate(export.written)
        draft.seek(export.written)
        draft.writelines(json.dumps(list(row)).encode() + b"\n" for row in cells)
        return draft.tell()


def finish_file(export: Export, columns: Sequence[str]) -> None:
    """Write the file of all the draft's rows, then delete the draft."""
    path = path_of(export)
    unfinished = path.with_suffix(".part")
    if export.format == ExportFormat.XLSX:
        _write_xlsx(unfinished, columns, _drafted(export))
    else:
        _write_csv(unfinished, columns, _drafted(export))
    unfinished.replace(path)
    _draft(export).unlink(missing_ok=True)


def delete_files(export: Export) -> None:
    for path in (path_of(export), path_of(export).with_suffix(".part"), _draft(export)):
        path.unlink(missing_ok=True)


def forget_strays(known: set[str], *, before: dt.datetime) -> int:
    """Delete files older than this that belong to no known export; return how many."""
    gone = 0
    for path in _folder().iterdir():
        if path.name.partition(".")[0] not in known and path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def harmless(text: str) -> str:
    """Return the text in a form that a spreadsheet shows without executing any of it."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _folder() -> Path:
    folder = Path(files_of_exports().path(FOLDER))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _draft(export: Export) -> Path:
    return _folder() / f"{export.cuid}.draft"


def _drafted(export: Export) -> Iterator[list[str]]:
    with _draft(export).open("rb") as draft:
        for line in draft:
            yield json.loads(line)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterator[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write("\ufeff")  # tells spreadsheets the encoding
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([harmless(cell) for cell in row] for row in rows)


def _write_xlsx(path: Path, columns: Sequence[str], rows: Iterator[list[str]]) -> None:
    """Write a workbook; rows that don't fit on a sheet continue on the next one."""
    book = xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": str(path.parent)})
    bold = book.add_format({"bold": True})
    sheet = _add_sheet(book, columns, bold)
    for number, row in enumerate(rows):
        line = number % XLSX_ROWS
        if number and not line:
            sheet = _add_sheet(book, columns, bold)
        for column, cell in enumerate(row):
            sheet.write_string(line + 1, column, cell[:XLSX_CHARACTERS])  # as text, whatever it looks like
    book.close()


def _add_sheet(book: Any, columns: Sequence[str], bold: Any) -> Any:
    sheet = book.add_worksheet(f"Export {len(book.worksheets()) + 1}")
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(columns):
        sheet.write_string(0, column, name, bold)
    return sheet
