"""The browsers in which somebody is signed in to the back office, and how to sign them out.

See docs/decisions/0118-sign-ins-of-staff.md.
"""

import datetime as dt
import re

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, logout, update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest

from core.errors import NotFound, require
from core.http.client_address import client_range

from .models import StaffSignIn, User

# In the session: when its sign-in was last recorded, in seconds since 1970.
NOTED_AT = "sign_in_noted_at"
NOTED_EVERY_SECONDS = 5 * 60
SHOWN_AT_MOST = 50

# The first match counts: many browsers also name others, to pass for them.
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@transaction.atomic
def note_sign_in(request: HttpRequest, *, user: User, now: dt.datetime) -> None:
    """Record that they are signed in with this request's session, which from now on lasts for the maximum session time,
    however much it is used; delete their expired sign-ins."""
    request.session.set_expiry(now + dt.timedelta(seconds=settings.SESSION_COOKIE_AGE))
    Session.objects.filter(staff_sign_in__user=user, expire_date__lt=now).delete()
    _keep(request, user, began_at=now, now=now)


def note_use(request: HttpRequest, *, now: dt.datetime) -> None:
    """Record, every few minutes, that the session is used, and from where. A session unused for STAFF_IDLE_HOURS ends:
    after that, the password has to be typed again."""
    noted = request.session.get(NOTED_AT)
    if noted is None or now.timestamp() - noted < NOTED_EVERY_SECONDS:
        return
    if now.timestamp() - noted > settings.STAFF_IDLE_HOURS * 60 * 60:
        logout(request)
        return
    StaffSignIn.objects.filter(session=request.session.session_key).update(
        last_used_at=now, network=client_range(request)
    )
    request.session[NOTED_AT] = int(now.timestamp())


def list_sign_ins(*, user: User, now: dt.datetime) -> list[StaffSignIn]:
    """Return a person's open sign-ins, the last used first. Sessions from before the current password are over."""
    found = StaffSignIn.objects.filter(user=user, session__expire_date__gt=now).select_related("session")
    fitting = {user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()}
    latest = found.order_by("-last_used_at", "-pk")[:SHOWN_AT_MOST]
    return [each for each in latest if each.session.get_decoded().get(HASH_SESSION_KEY) in fitting]


@transaction.atomic
def end_sign_in(*, user_id: int, sign_in_id: int) -> None:
    """Sign somebody out of one browser: its next request is anonymous. Raises NotFound."""
    if not Session.objects.filter(staff_sign_in=sign_in_id, staff_sign_in__user=user_id).delete()[0]:
        raise NotFound("This browser is already signed out.")


@transaction.atomic
def end_all_sign_ins(*, user_id: int) -> None:
    """Sign somebody out of every browser at once: their sessions no longer match the account."""
    User.objects.filter(pk=user_id).update(session_epoch=F("session_epoch") + 1)
    Session.objects.filter(staff_sign_in__user=user_id).delete()


@transaction.atomic
def end_other_sign_ins(request: HttpRequest, *, user: User, now: dt.datetime) -> None:
    """Sign them out of every browser except the one of this request."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    others = Session.objects.filter(staff_sign_in__user=user)
    others.exclude(pk=request.session.session_key).delete()
    user.refresh_from_db(fields=["session_epoch"])
    own = StaffSignIn.objects.filter(session=request.session.session_key).first()
    update_session_auth_hash(request, user)  # creates a new key; the row of the old one is deleted with it
    _keep(request, user, began_at=own.began_at if own else now, now=now)


def _keep(request: HttpRequest, user: User, *, began_at: dt.datetime, now: dt.datetime) -> None:
    StaffSignIn.objects.create(
        user=user,
        session_id=require(request.session.session_key, "whoever signed in has a session that is stored"),
        browser=name_browser(request.headers.get("User-Agent", "")),
        network=client_range(request),
        began_at=began_at,
        last_used_at=now,
    )
    request.session[NOTED_AT] = int(now.timestamp())


def name_browser(agent: str) -> str:
    """Return what somebody calls their browser, such as "Firefox on Windows"."""
    browser = next((name for token, name in _BROWSERS if re.search(rf"\b{token}", agent)), "A browser")
    system = next((name for token, name in _SYSTEMS if token in agent), "")
    return f"{browser} on {system}" if system else browser
