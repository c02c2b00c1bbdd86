"""API keys: created, rotated, revoked, and looked up on every request.

A key reads `ek_` + 8 characters that may be shown + 32 secret ones + a checksum of 6, all base62. The checksum lets us
refuse a typo without a query (and lets a secret scanner be sure of a find). Only the SHA-256 of the whole text is
stored, which is enough for 190 bits of entropy.
"""

import datetime as dt
import hashlib
import hmac
import secrets
import string
import time
import zlib
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from core.actors import Actor
from core.errors import DomainError, FieldError, Invalid, NotFound, invalid_field
from core.numbers import parse_whole_number

from .models import ApiKey, User, Workspace
from .principals import Principal
from .states import Scope

MARK = "ek_"
PUBLIC_LENGTH = 8
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
KEY_LENGTH = len(MARK) + PUBLIC_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LAST_USED_GRAIN = dt.timedelta(minutes=1)
CACHE_CAPACITY = 10_000


class KeyNotUsable(DomainError):
    code = "api_key_not_usable"
    title = "The API key is revoked, expired or already rotated"


def create_api_key(
    *,
    workspace_id: int,
    name: str,
    scopes: Iterable[str],
    expires_at: dt.datetime | None = None,
    created_by: User | None = None,
    now: dt.datetime,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its text, which can't be retrieved again.

    Raises NotFound for an unknown workspace and Invalid for an empty name, no scope, unknown scopes (naming them), or
    an expiry in the past.
    """
    granted = _checked_scopes(scopes)
    if not name.strip():
        raise invalid_field("name", "blank", "Give the key a name that says who uses it.")
    if expires_at is not None and expires_at <= now:
        raise invalid_field("expires_at", "past", "The expiry must be in the future.")
    if not Workspace.objects.filter(pk=workspace_id).exists():
        raise NotFound("There is no such workspace.")
    return _issue(
        workspace_id=workspace_id,
        name=name.strip(),
        scopes=granted,
        expires_at=expires_at,
        created_by=created_by,
        created_at=now,
    )


@transaction.atomic
def rotate_api_key(*, api_key_id: int, overlap: dt.timedelta, now: dt.datetime) -> tuple[ApiKey, str]:
    """Replace a key with one that has the same name, scopes, and lifetime; the old one keeps working for `overlap`.

    Raises NotFound, Invalid for a negative overlap, and KeyNotUsable for a key that is revoked, expired, or rotated.
    """
    if overlap < dt.timedelta(0):
        raise invalid_field("overlap", "negative", "The overlap can't be negative.")
    old = _locked(api_key_id)
    if not old.is_usable(now) or old.replaced_by_id is not None:
        raise KeyNotUsable(f"{old} is revoked, expired or already rotated; create a new key instead.")
    expires_at = now + (old.expires_at - old.created_at) if old.expires_at else None
    new, text = _issue(
        workspace_id=old.workspace_id,
        name=old.name,
        scopes=old.scopes,
        expires_at=expires_at,
        created_by=old.created_by,
        created_at=now,
    )
    last_day = now + overlap
    old.replaced_by = new
    old.expires_at = min(old.expires_at, last_day) if old.expires_at else last_day
    old.save(update_fields=["replaced_by", "expires_at"])
    _forget(old.digest)
    return new, text


@transaction.atomic
def revoke_api_key(*, api_key_id: int, now: dt.datetime) -> ApiKey:
    """Revoke a key for good; a key already revoked stays as it is. Raises NotFound.

    Other processes may accept it for up to API_KEY_CACHE_SECONDS more.
    """
    key = _locked(api_key_id)
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
    _forget(key.digest)
    return key


def get_api_key(*, reference: str) -> ApiKey:
    """Return the key with this id or this public prefix (`ek_` and 8 characters). Raises NotFound."""
    number = parse_whole_number(reference)
    found = ApiKey.objects.filter(prefix=reference) if number is None else ApiKey.objects.filter(pk=number)
    key = found.first()
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def find_principal(text: str, *, now: dt.datetime) -> Principal | None:
    """Return whom a key's text speaks for, or None if it is malformed, unknown, expired, or revoked.

    The answer is cached for API_KEY_CACHE_SECONDS within this process, so that a busy integrator costs one query every
    few seconds instead of one per request.
    """
    if not is_well_formed(text):
        return None
    digest = _digest(text)
    known = _known.get(digest)
    if known is not None and known[0] > time.monotonic():
        _, principal, expires_at = known
        return principal if expires_at is None or expires_at > now else None
    return _look_up(digest, now)


def is_well_formed(text: str) -> bool:
    """Return whether the text could be an API key: the prefix, length, and checksum match."""
    return (
        len(text) == KEY_LENGTH
        and text.startswith(MARK)
        and text.isascii()
        and _checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]
    )


# digest -> how long this process trusts it (monotonic seconds), whom it speaks for, and when the key expires
_known: dict[str, tuple[float, Principal, dt.datetime | None]] = {}


def _look_up(digest: str, now: dt.datetime) -> Principal | None:
    key = ApiKey.objects.filter(digest=digest).first()
    if key is None or not hmac.compare_digest(key.digest, digest) or not key.is_usable(now):
        return None
    _note_use(key, now)
    principal = Principal(workspace_id=key.workspace_id, scopes=frozenset(key.scopes), actor=Actor("key", key.pk))
    if settings.API_KEY_CACHE_SECONDS > 0:
        if len(_known) >= CACHE_CAPACITY:
            _known.clear()
        _known[digest] = (time.monotonic() + settings.API_KEY_CACHE_SECONDS, principal, key.expires_at)
    return principal


def _note_use(key: ApiKey, now: dt.datetime) -> None:
    """Write `last_used_at`, at most once a minute however many processes see the key."""
    stale = now - LAST_USED_GRAIN
    if key.last_used_at is None or key.last_used_at < stale:
        unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lt=stale)
        ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)


def _forget(digest: str) -> None:
    transaction.on_commit(lambda: _known.pop(digest, None))


def _locked(api_key_id: int) -> ApiKey:
    key = ApiKey.objects.select_for_update().filter(pk=api_key_id).first()
    if key is None:
        raise NotFound("There is no such API key.")
    return key


def _issue(**fields: Any) -> tuple[ApiKey, str]:
    public = _random(PUBLIC_LENGTH)
    secret = _random(SECRET_LENGTH)
    body = f"{MARK}{public}{secret}"
    text = body + _checksum(body)
    key = ApiKey.objects.create(prefix=MARK + public, digest=_digest(text), last_four=text[-4:], **fields)
    return key, text


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    granted = sorted(set(scopes))
    unknown = [scope for scope in granted if scope not in Scope.values]
    if unknown or not granted:
        known = ", ".join(Scope.values)
        detail = f"Unknown: {', '.join(unknown)}." if unknown else "Grant at least one scope."
        raise Invalid(f"{detail} Known scopes: {known}.", errors=(FieldError("scopes", "unknown_scope", detail),))
    return granted


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
