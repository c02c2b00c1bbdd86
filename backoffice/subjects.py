"""The rows that texts like "payment:12" in events, mails, and staff tasks are about.

Such texts are stored without names, so that erasing a person leaves none behind; whoever reads them gets the names that
the rows have now.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from core.numbers import parse_whole_number

from .display import model_of_subject, name_of

Asked = dict[tuple[type[models.Model], str], dict[int | str, str]]
"""The parts of the texts, by model, the column that tells its rows apart, and what it holds."""


def find_subjects(texts: Iterable[str]) -> dict[str, models.Model]:
    """Return the rows that these texts name, by the part of the text, with a constant number of queries per kind."""
    return {
        parts[getattr(row, column)]: row
        for (model, column), parts in _read(texts).items()
        for row in _find(model, column, list(parts))
    }


def find_gone(texts: Iterable[str]) -> set[str]:
    """Return the parts of the texts whose rows no longer exist, with one query per kind."""
    gone: set[str] = set()
    for (model, column), parts in _read(texts).items():
        there = model._base_manager.filter(**{f"{column}__among": list(parts)}).values_list(column, flat=True)
        gone.update(parts[value] for value in parts.keys() - set(there))
    return gone


def _read(texts: Iterable[str]) -> Asked:
    asked: Asked = defaultdict(dict)
    for part in {part for text in texts for part in text.split("/")}:
        kind, _, identifier = part.partition(":")
        number = parse_whole_number(identifier)
        column = "cuid" if number is None else "pk"
        model = model_of_subject(kind)
        if model is not None and (number is not None or _has_cuid(model)):
            asked[model, column][identifier if number is None else number] = part
    return asked


def keep_subjects(rows: Sequence[Any], fields: Iterable[str]) -> None:
    """Look up what these fields of the rows are about, for `subject_column` and `name_subject`."""
    found = find_subjects(getattr(row, field) for row in rows for field in fields)
    for row in rows:
        row.subjects = found


def name_subject(row: Any, field: str) -> str:
    """Return the names of what the row's field is about; empty if those rows are gone."""
    text = getattr(row, field)
    known = row.subjects if hasattr(row, "subjects") else find_subjects([text])
    return " / ".join(name_of(known[part]) for part in text.split("/") if part in known)


def _find(model: type[models.Model], column: str, values: Sequence[int | str]) -> list[models.Model]:
    page: Any = admin.site.get_model_admin(model)
    rows = list(model._base_manager.filter(**{f"{column}__in": values}).select_related(*page.list_select_related or ()))
    page.prepare(rows)
    return rows


def _has_cuid(model: type[models.Model]) -> bool:
    try:
        model._meta.get_field("cuid")
    except FieldDoesNotExist:
        return False
    return True
