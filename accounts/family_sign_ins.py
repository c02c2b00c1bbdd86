"""The browsers in which a family is signed in, and how to sign them out.

See docs/decisions/0178-sign-ins-of-families.md.
"""

import datetime as dt

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest

from core.errors import NotFound, require
from core.local_time import local_date

from .browsers import SHOWN_AT_MOST, is_current, recognize_browser
from .models import FamilySignIn, User

# In the session: the day for which its use was last recorded.
NOTED_ON = "family_sign_in_noted_on"


@transaction.atomic
def note_sign_in(request: HttpRequest, *, user: User, now: dt.datetime) -> None:
    """Record that somebody is signed in by code with this request's session, which from now on lasts for the maximum
    session time, however much it is used."""
    request.session.set_expiry(now + dt.timedelta(seconds=settings.SESSION_COOKIE_AGE))
    browser, system = recognize_browser(request.headers.get("User-Agent", ""))
    today = _day(now)
    FamilySignIn.objects.create(
        user=user,
        session_id=require(request.session.session_key, "whoever signed in has a session that is stored"),
        browser=browser,
        system=system,
        began_at=now,
        last_used_date=today,
    )
    request.session[NOTED_ON] = today.isoformat()


def note_use(request: HttpRequest, *, now: dt.datetime) -> None:
    """Record, with the first request of each day, that the session is used."""
    noted = request.session.get(NOTED_ON)
    if noted is None:
        return
    today = _day(now)
    if noted != today.isoformat():
        FamilySignIn.objects.filter(session=request.session.session_key).update(last_used_date=today)
        request.session[NOTED_ON] = today.isoformat()


def list_family_sign_ins(*, user: User, now: dt.datetime) -> list[FamilySignIn]:
    """Return the sign-ins by code that still open something, the last used first."""
    found = FamilySignIn.objects.filter(user=user, session__expire_date__gt=now).select_related("session")
    latest = found.order_by("-last_used_date", "-pk")[:SHOWN_AT_MOST]
    return [each for each in latest if is_current(each.session, user)]


@transaction.atomic
def end_family_sign_in(*, user_id: int, sign_in_id: int) -> None:
    """Sign somebody out of one browser: its next request is anonymous. Raises NotFound."""
    if not Session.objects.filter(family_sign_in=sign_in_id, family_sign_in__user=user_id).delete()[0]:
        raise NotFound("This browser is already signed out.")


def _day(now: dt.datetime) -> dt.date:
    """Return the day by the clocks of the place where the platform runs: an account has no time zone of its own."""
    return local_date(now, settings.DEFAULT_WORKSPACE_TIMEZONE)
