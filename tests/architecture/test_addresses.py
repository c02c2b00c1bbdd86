"""Email addresses are compared in one way only: by equality of the canonical spelling from core/addresses.py."""

import re

import pytest
from django.db import models

from core.addresses import AddressField

from .own_code import APPS, PROJECT, ROOT, modules, own_models

# PostgreSQL's UPPER() turns a dotless i into an I; str.lower() turns a Kelvin sign into a k. Both opened other people's
# accounts.
FOLDING = re.compile(r"mail\w*__i(exact|contains|regex)\b|mail\w*\.(lower|upper|casefold)\(|normalize_email\(")


def folds_an_address(source: str) -> bool:
    return FOLDING.search(source) is not None


class TestAddresses:
    def test_are_folded_nowhere_else(self) -> None:
        sources = list(modules(*APPS, PROJECT))

        found = [str(path.relative_to(ROOT)) for path in sources if folds_an_address(path.read_text())]

        assert len(sources) > 100
        assert found == []

    @pytest.mark.parametrize(
        "line", ["User.objects.get(email__iexact=name)", "address = user.email.lower()", "objects.normalize_email(x)"]
    )
    def test_that_are_folded_would_be_found(self, line: str) -> None:
        assert folds_an_address(line)

    def test_are_kept_in_columns_that_spell_them_alike(self) -> None:
        columns = [
            field
            for model in own_models()
            for field in model._meta.get_fields()
            if isinstance(field, models.EmailField)
        ]

        others = [str(field) for field in columns if not isinstance(field, AddressField)]

        assert len(columns) >= 8
        assert others == []
