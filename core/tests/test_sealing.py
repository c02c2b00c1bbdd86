"""Secrets that can be read again: sealed in the database, opened by any of the keys."""

import pytest
from cryptography.fernet import Fernet
from django.test import override_settings

from core.sealing import BrokenSeal, SealedTextField, seal, unseal

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


class TestASealedText:
    def test_is_read_again_and_does_not_show_what_it_says(self) -> None:
        sealed = seal("clé secrète")

        assert "secr" not in sealed
        assert unseal(sealed) == "clé secrète"

    def test_is_another_one_each_time(self) -> None:
        assert seal("same") != seal("same")

    def test_is_opened_by_an_older_key_and_sealed_by_the_newest(self) -> None:
        with override_settings(SEALING_KEYS=[OLD]):
            before = seal("secret")

        with override_settings(SEALING_KEYS=[NEW, OLD]):
            assert unseal(before) == "secret"
            after = seal("secret")

        with override_settings(SEALING_KEYS=[NEW]):
            assert unseal(after) == "secret"

    def test_is_opened_by_no_other_key(self) -> None:
        sealed = seal("secret")

        with override_settings(SEALING_KEYS=[OTHER]), pytest.raises(BrokenSeal, match="SEALING_KEYS"):
            unseal(sealed)

    def test_that_was_changed_is_not_opened(self) -> None:
        sealed = seal("secret")

        with pytest.raises(BrokenSeal):
            unseal(sealed[:-4] + "AAA=")


class TestASealedColumn:
    def test_leaves_an_empty_text_empty(self) -> None:
        field = SealedTextField()

        assert field.get_prep_value("") == ""
        assert field.from_db_value("") == ""

    def test_seals_what_is_stored_and_opens_what_is_read(self) -> None:
        field = SealedTextField()

        stored = field.get_prep_value("secret")

        assert stored != "secret"
        assert field.from_db_value(stored) == "secret"
