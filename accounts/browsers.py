"""What the sign-ins of staff and of families have in common: how a browser is named, and how sessions are ended.

See docs/decisions/0118-sign-ins-of-staff.md and docs/decisions/0178-sign-ins-of-families.md.
"""

import datetime as dt
import re

from django.contrib.auth import HASH_SESSION_KEY, update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest

from core.errors import require

from .models import FamilySignIn, StaffSignIn, User

SHOWN_AT_MOST = 50
BITE = 1000  # expired sessions deleted by one statement

_SIGN_INS: tuple[type[StaffSignIn] | type[FamilySignIn], ...] = (StaffSignIn, FamilySignIn)

# The first match counts: many browsers also name others, to pass for them.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def recognize_browser(agent: str) -> tuple[str, str]:
    """Return what people call a browser and the system it runs on, such as "Firefox" and "Windows", given its
    User-Agent header. What the header does not reveal is empty."""
    browser = next((name for token, name in _BROWSERS if re.search(rf"\b{token}", agent)), "")
    system = next((name for token, name in _SYSTEMS if token in agent), "")
    return browser, system


def is_current(session: Session, user: User) -> bool:
    """Return whether the session still opens something: it ends with the password it was opened under, and when all
    of the account's sessions are ended."""
    fitting = {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
    return session.get_decoded().get(HASH_SESSION_KEY) in fitting


@transaction.atomic
def end_all_sign_ins(*, user_id: int) -> None:
    """Sign somebody out of every browser at once: their sessions no longer match the account."""
    _end_sessions(user_id)


@transaction.atomic
def end_other_sign_ins(request: HttpRequest, *, user: User) -> None:
    """Sign somebody out of every browser except the one of this request."""
    key = require(request.session.session_key, "whoever is signed in has a session that is stored")
    own = [row for model in _SIGN_INS for row in model.objects.filter(session=key)]
    _end_sessions(user.pk, except_key=key)
    user.refresh_from_db(fields=["session_epoch"])
    update_session_auth_hash(request, user)  # creates a new key; the row of the old one is deleted with it
    for row in own:
        row.pk = None
        row.session_id = require(request.session.session_key, "a new key was just created")
        row.save(force_insert=True)


def forget_expired_sessions(*, now: dt.datetime) -> int:
    """Delete expired sessions, and the sign-ins with them, in small batches; return how many sessions there were."""
    deleted = 0
    bite = 1
    while bite:
        keys = list(Session.objects.filter(expire_date__lt=now).values_list("pk", flat=True)[:BITE])
        _, by_model = Session.objects.filter(pk__in=keys, expire_date__lt=now).delete() if keys else (0, {})
        bite = by_model.get(Session._meta.label, 0)
        deleted += bite
    return deleted


def _end_sessions(user_id: int, *, except_key: str = "") -> None:
    User.objects.filter(pk=user_id).update(session_epoch=F("session_epoch") + 1)
    for model in _SIGN_INS:
        known = Session.objects.filter(pk__in=model.objects.filter(user=user_id).values("session"))
        known.exclude(pk=except_key).delete()
