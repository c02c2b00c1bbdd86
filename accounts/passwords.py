"""Staff sign-in by password: who may try, how often, and how many at once.

Tries are counted before the password is checked, under the account and the caller. See
docs/decisions/0009-passwords-and-pauses.md.
"""

import datetime as dt
import fcntl
import hashlib
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.translation import ngettext

from core.addresses import canonical_address
from core.counters import count_in_database
from core.errors import DomainError
from core.http.client_address import client_network
from core.pauses import Growth, count_try, forgive, seconds_to_wait, take_back

from .devices import known_device
from .models import User

log = structlog.get_logger(__name__)

# What one caller's wrong tries cost that caller, and what all strangers' tries together may cost the account's owner.
FOR_ONE_CALLER = Growth(free=5, longest=15 * 60)
FOR_ALL_STRANGERS = Growth(free=20, longest=60)
# Checking a password costs half a second of a core. At most this many are checked in this many seconds: for one caller,
# for all strangers, and for all known browsers. Further tries are told to wait, which costs almost nothing.
FLOOD_SECONDS = 10
FLOOD_LIMIT = 20
# How many strangers' passwords are checked at the same moment, so that a worker stays free for everything else.
STRANGERS_AT_ONCE = max(1, (os.cpu_count() or 2) // 2)
LOCKS = Path(tempfile.gettempdir())  # where all processes of the host find the same files

SIGNED_IN_BY_PASSWORD = "django.contrib.auth.backends.ModelBackend"  # noqa: S105  (the name of a backend)

# What a session knows about the second factor: requested and pending, or given.
SECOND_FACTOR = "second_factor"
ASKED = "asked"
PASSED = "passed"
AFTER_SECOND_FACTOR = "after_second_factor"  # the page they wanted, one of ours


class SignInPaused(DomainError):
    status = 429
    code = "sign_in_paused"
    title = "Too many tries"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"Too many tries. Wait {in_words(retry_after)}, then try again.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is trying: a browser known to the account, or everybody on one network."""

    network: str
    device: str | None = None

    def __str__(self) -> str:
        return f"device:{self.device}" if self.device else f"network:{self.network}"


def check_staff_password(*, email: str, password: str, request: HttpRequest, now: dt.datetime) -> User | None:
    """Return the staff member with this password; None for a wrong one, and for anybody who is not staff.

    Raises SignInPaused, before the password is checked, for tries that come too fast. Addresses without an account are
    treated like any other, so nobody learns which ones exist.
    """
    address = canonical_address(email)
    known = User.objects.filter(email=address).first()
    caller = Caller(client_network(request), known_device(request, user_id=known.pk if known else None))
    account = hashlib.sha256(address.encode()).hexdigest()[:32]
    pair = f"password:{account}:{_short(str(caller))}"
    subjects = {pair: FOR_ONE_CALLER} | ({} if caller.device else {f"password:{account}": FOR_ALL_STRANGERS})
    try:
        _refuse_if(seconds_to_wait(subjects, now=now))
        _refuse_flood(caller)
        with _one_of_few_at_once(caller):
            _refuse_if(count_try(subjects, now=now))
            user = ModelBackend().authenticate(request, username=address, password=password)
    except SignInPaused:
        log.warning("staff_sign_in_paused", user_id=known.pk if known else None, network=caller.network)
        raise
    if not (isinstance(user, User) and user.is_staff):
        log.warning("staff_sign_in_refused", user_id=known.pk if known else None, network=caller.network)
        return None
    forgive(pair)
    if not caller.device:
        take_back(f"password:{account}")
    return user


def is_signed_in_by_password(request: HttpRequest) -> bool:
    """Return whether the session was opened with a password, and with the second factor if the person has one. A
    session opened by an emailed code shows the family's own data and never the back office, whoever it belongs to."""
    return knew_password(request) and request.session.get(SECOND_FACTOR) != ASKED


def has_passed_second_factor(request: HttpRequest) -> bool:
    return request.session.get(SECOND_FACTOR) == PASSED


def knew_password(request: HttpRequest) -> bool:
    """Return whether the password was right; the second factor may still be pending."""
    session: SessionBase | None = getattr(request, "session", None)
    return session is not None and session.get("_auth_user_backend") == SIGNED_IN_BY_PASSWORD


def count_second_factor_try(*, user_id: int, request: HttpRequest, now: dt.datetime) -> None:
    """Count a code before it is checked, as with a password. Raises SignInPaused."""
    _refuse_if(count_try(_second_factor_subjects(user_id, request), now=now))


def forgive_second_factor(*, user_id: int, request: HttpRequest) -> None:
    """Forget the caller's tries, and take the right one off the shared count."""
    pair, *everybody = _second_factor_subjects(user_id, request)
    forgive(pair)
    for subject in everybody:
        take_back(subject)


def _second_factor_subjects(user_id: int, request: HttpRequest) -> dict[str, Growth]:
    caller = Caller(client_network(request), known_device(request, user_id=user_id))
    pair = {f"second-factor:{user_id}:{_short(str(caller))}": FOR_ONE_CALLER}
    return pair if caller.device else pair | {f"second-factor:{user_id}": FOR_ALL_STRANGERS}


def in_words(seconds: int) -> str:
    if seconds < 60:
        return ngettext("a second", "%(count)s seconds", seconds) % {"count": seconds}
    minutes = math.ceil(seconds / 60)
    return ngettext("a minute", "%(count)s minutes", minutes) % {"count": minutes}


def _refuse_if(seconds: int) -> None:
    if seconds:
        raise SignInPaused(seconds)


def _refuse_flood(caller: Caller) -> None:
    everybody = "password:known" if caller.device else "password:strangers"
    for key in (f"password:from:{_short(str(caller))}", everybody):
        number, starts_anew = count_in_database(key, seconds=FLOOD_SECONDS)
        if number > FLOOD_LIMIT:
            raise SignInPaused(starts_anew)


@contextmanager
def _one_of_few_at_once(caller: Caller) -> Iterator[None]:
    """Take one of the slots for strangers' passwords: a lock on a file, because the operating system releases it if the
    process dies. Known browsers need none: FLOOD_LIMIT is enough for them."""
    if caller.device:
        yield
        return
    for number in range(STRANGERS_AT_ONCE):
        with (LOCKS / f"enrollment-passwords-{os.getuid()}-{number}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield
            return
    raise SignInPaused(1)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
