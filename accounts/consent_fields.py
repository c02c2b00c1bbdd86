"""A checkbox for each text that families are asked to agree to, on any form."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext

from .models import ConsentText


class ConsentField(forms.BooleanField):
    """A checkbox that knows whether it may be left empty; the caller decides who checks that."""

    def __init__(self, *, is_optional: bool, **kwargs: Any) -> None:
        self.is_optional = is_optional
        super().__init__(**kwargs)


def add_consents(form: forms.Form, texts: Sequence[ConsentText], *, insists: bool = True) -> dict[str, ConsentText]:
    """Add a field per text to the form; return the texts by field name. Unless it `insists`, the caller decides whether
    a required one may be left empty."""
    named = {f"consent_{text.pk}": text for text in texts}
    for name, text in named.items():
        form.fields[name] = ConsentField(
            is_optional=not text.is_required,
            label=text.title,
            help_text=text.text,
            required=text.is_required and insists,
            error_messages={"required": gettext("Check the box to agree.")},
        )
    return named
