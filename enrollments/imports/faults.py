"""Faults of a file as a whole, which is refused before any of it is processed."""

from core.errors import FieldError, Invalid


class UnreadableFile(Invalid):
    """Says in which line, counted from 1 including the header, and what would be right."""

    code = "unreadable_file"
    title = "The file can't be read"

    def __init__(self, line: int | None, detail: str, *, field: str = "file", code: str = "invalid") -> None:
        self.line = line
        told = detail if line is None else f"Line {line:,}: {detail}"
        super().__init__(told, errors=(FieldError(field, code, told),))
        if line is not None:
            self.extra["line"] = line
