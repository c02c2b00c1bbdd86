"""Secrets that we must be able to read again (a partner's API key), sealed before they reach the database.

A backup, a replica, or a query log then holds nothing that opens anything. The keys come from the environment: the
first one seals, and each of them opens. A new key is therefore put in front, and the old one is removed once `manage.py
reseal_secrets` has sealed everything again (docs/decisions/0070-sealed-secrets.md). Passwords are not sealed: anything
that need not be read again is hashed.
"""

import enum
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class BrokenSeal(RuntimeError):
    """None of the keys in SEALING_KEYS opens a sealed value: a key was removed too early, or the row was changed."""


class Seal(enum.Enum):
    """Which key opens a sealed value."""

    NEWEST = "newest"
    OLDER = "older"
    BROKEN = "broken"  # none


def seal(text: str) -> str:
    """Return the text as it may be stored; each call returns a different one, even for the same text."""
    return _box().encrypt(text.encode()).decode("ascii")


def unseal(sealed: str) -> str:
    """Return the text that was sealed. Raises BrokenSeal."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise BrokenSeal("None of the keys in SEALING_KEYS opens this value.") from error


def reseal(sealed: str) -> str:
    """Return the same text, sealed with the newest key. Raises BrokenSeal."""
    return seal(unseal(sealed))


def who_sealed(sealed: str) -> Seal:
    """Return whether the newest key opens a sealed value, an older one, or none."""
    try:
        Fernet(settings.SEALING_KEYS[0]).decrypt(sealed.encode())
    except InvalidToken:
        pass
    else:
        return Seal.NEWEST
    try:
        unseal(sealed)
    except BrokenSeal:
        return Seal.BROKEN
    return Seal.OLDER


def _box() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.SEALING_KEYS])


class SealedTextField(models.TextField):  # type: ignore[type-arg]  # generic for the type checker only
    """A column of secrets: sealed in the database, readable on the row. No query can look for a value in it, since the
    same text is sealed differently each time. An empty text stays empty."""

    description = "Sealed text"

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return seal(prepared) if prepared else prepared

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return unseal(value) if value else value

    def deconstruct(self) -> Any:
        """Deconstruct as a TextField: the column is the same."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
