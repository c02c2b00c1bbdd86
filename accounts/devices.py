"""Browsers that have signed in to an account before: a stranger's wrong tries must not slow them down.

A signed cookie names the browser and the accounts it has signed in to. It grants no access; it only makes us count the
browser separately from everybody else who tries the same account.
"""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

SALT = "accounts.devices"
MAX_AGE_SECONDS = 60 * 60 * 24 * 180
ACCOUNTS_REMEMBERED = 5


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    accounts: tuple[int, ...]


def known_device(request: HttpRequest, *, user_id: int | None) -> str | None:
    """Return this browser's name if it has signed in to that account; None otherwise."""
    device = _read(request)
    return device.name if device is not None and user_id in device.accounts else None


def remember_device(request: HttpRequest, response: HttpResponseBase, *, user_id: int) -> None:
    """Remember this browser as one that has signed in to the account."""
    device = _read(request)
    if device is not None and user_id in device.accounts:
        return
    known = device.accounts if device else ()
    accounts = (user_id, *known)[:ACCOUNTS_REMEMBERED]
    name = device.name if device else secrets.token_urlsafe(12)
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps([name, accounts], salt=SALT),
        max_age=MAX_AGE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def _read(request: HttpRequest) -> _Device | None:
    try:
        signed = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
        name, accounts = signing.loads(signed, salt=SALT, max_age=MAX_AGE_SECONDS)
        return _Device(str(name), tuple(int(account) for account in accounts))
    except (signing.BadSignature, TypeError, ValueError):
        return None
