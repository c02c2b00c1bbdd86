"""What the doctor's "seat allocation 12" means: a row of a model."""

import re
from functools import cache

from django.apps import apps
from django.db import models

_ROW = re.compile(r"(?P<word>[A-Za-z' -]+) (?P<pk>\d+)")


def find_subject(row: str) -> tuple[type[models.Model], int] | None:
    """Return the model, by what staff call its rows, and the primary key that the doctor named; None for anything else,
    e.g. a series of events.
    """
    named = _ROW.fullmatch(row)
    model = _models().get(named["word"]) if named else None
    return (model, int(named["pk"])) if named and model else None


@cache
def _models() -> dict[str, type[models.Model]]:
    return {str(model._meta.verbose_name): model for model in apps.get_models()}
