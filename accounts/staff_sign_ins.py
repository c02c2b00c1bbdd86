"""The browsers in which somebody is signed in to the back office, and how to sign them out.

See docs/decisions/0118-sign-ins-of-staff.md.
"""

import datetime as dt

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest

from core.errors import NotFound, require
from core.http.client_address import client_range

from .browsers import SHOWN_AT_MOST, is_current, recognize_browser
from .models import StaffSignIn, User

# In the session: when its sign-in was last recorded, in seconds since 1970.
NOTED_AT = "sign_in_noted_at"
NOTED_EVERY_SECONDS = 5 * 60


@transaction.atomic
def note_sign_in(request: HttpRequest, *, user: User, now: dt.datetime) -> None:
    """Record that they are signed in with this request's session, which from now on lasts for the maximum session time,
    however much it is used."""
    request.session.set_expiry(now + dt.timedelta(seconds=settings.SESSION_COOKIE_AGE))
    StaffSignIn.objects.create(
        user=user,
        session_id=require(request.session.session_key, "whoever signed in has a session that is stored"),
        browser=name_browser(request.headers.get("User-Agent", "")),
        network=client_range(request),
        began_at=now,
        last_used_at=now,
    )
    request.session[NOTED_AT] = int(now.timestamp())


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
    latest = found.order_by("-last_used_at", "-pk")[:SHOWN_AT_MOST]
    return [each for each in latest if is_current(each.session, user)]


@transaction.atomic
def end_sign_in(*, user_id: int, sign_in_id: int) -> None:
    """Sign somebody out of one browser: its next request is anonymous. Raises NotFound."""
    if not Session.objects.filter(staff_sign_in=sign_in_id, staff_sign_in__user=user_id).delete()[0]:
        raise NotFound("This browser is already signed out.")


def name_browser(agent: str) -> str:
    """Return what somebody calls their browser, such as "Firefox on Windows"."""
    browser, system = recognize_browser(agent)
    return f"{browser or 'A browser'} on {system}" if system else browser or "A browser"
