"""Gives every text that people write its maximum length, in all rows there are."""

from django.db import DatabaseError, models, transaction
from django.db.models import Value
from django.db.models.functions import Cast, Concat

from core.errors import DomainError
from tests.architecture.own_code import own_models

WORD = "Nordwestdeutsche-Weiterbildungsgesellschaft "
# Columns that people write into. Children of a family keep their first names, by which they are told apart; where the
# database wants each value once, only what fits is as long.
WRITTEN = {"name", "last_name", "title", "label", "description", "summary", "reason", "note", "question"}
WRITTEN |= {"answer", "text", "resolution", "school", "location", "help_text", "recipient", "last_error", "detail"}
LONG_TEXT = 300  # of a column without a limit


def lengthen() -> None:
    """Lengthen all texts but addresses, by which the rows of one family belong together."""
    for model in own_models():
        for field in model._meta.concrete_fields:
            if field.name in WRITTEN and isinstance(field, models.CharField | models.TextField) and not field.choices:
                limit = field.max_length or LONG_TEXT
                _set(model, field.name, Value((WORD * limit)[:limit].strip()))


def lengthen_addresses() -> None:
    """Lengthen the addresses too, each different: for pages on which nobody is recognized by one."""
    for model in own_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.EmailField) and field.max_length:
                domain = f"@{'.'.join(['northwestern-further-education-society'] * 4)}.test"
                begun = Concat(Value("a-family-of-many-names-"), Cast("pk", models.CharField()), Value(domain))
                _set(model, field.name, begun)


def _set(model: type[models.Model], name: str, value: models.Expression) -> None:
    try:
        with transaction.atomic():
            model._default_manager.update(**{name: value})
    except (DatabaseError, DomainError):  # it has to be unique, of another form, or never changes
        return
