"""The second factor of staff: six digits from an authenticator app (RFC 6238), or one of ten recovery codes.

Only a person who knows the password gets this far, so a stranger can't use up the owner's tries. Codes are counted like
passwords: under the account and the caller, with growing pauses and never a lock. See
docs/decisions/0117-a-second-factor-for-staff.md.
"""

import base64
import datetime as dt
import hashlib
import hmac
import secrets

import structlog
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest

from core.errors import NotFound, invalid_field

from .account_deeds import tell_deed
from .models import SecondFactor, User
from .passwords import ASKED, SECOND_FACTOR, count_second_factor_try, forgive_second_factor

log = structlog.get_logger(__name__)

STEP_SECONDS = 30
RECOVERY_CODES = 10


def has_second_factor(user: User) -> bool:
    return SecondFactor.objects.filter(user=user).exists()


def begin_session(session: SessionBase, user: User) -> bool:
    """Start a session after a correct password; people with a second factor must give it before anything opens. Return
    whether it is required."""
    session.pop(SECOND_FACTOR, None)
    if has_second_factor(user):
        session[SECOND_FACTOR] = ASKED
        return True
    return False


def new_app_secret() -> str:
    """Return a new secret to share with an app; it is unused until `set_app` has received a code made with it."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def app_address(user: User, secret: str) -> str:
    """Return the URI in the QR code for the app."""
    return _codes_of(secret).get_provisioning_uri(user.email, "Enrollment Platform")


@transaction.atomic
def set_app(*, user: User, secret: str, code: str, now: dt.datetime) -> list[str]:
    """Require the codes of this app from now on, instead of those of any earlier app; return the recovery codes, which
    are never shown again. Raises Invalid for a wrong code."""
    step = _step_of(secret, code, now)
    if step is None:
        raise invalid_field("code", "wrong_code", "This is not the code that the app shows now. Enter the next one.")
    codes, digests = _new_recovery_codes()
    asked = {"secret": secret, "last_step": step, "recovery_digests": digests}
    SecondFactor.objects.update_or_create(user=user, defaults=asked)
    return codes


def open_second_factor(user: User) -> tuple[SecondFactor, list[str]]:
    """Return a person's second factor, locked until the transaction ends; create one with recovery codes if needed."""
    codes, digests = _new_recovery_codes()
    locked = SecondFactor.objects.select_for_update()
    factor, is_new = locked.get_or_create(user=user, defaults={"recovery_digests": digests})
    return factor, codes if is_new else []


@transaction.atomic
def renew_recovery_codes(*, user: User) -> list[str]:
    """Replace the remaining recovery codes by ten new ones. Raises NotFound."""
    codes, digests = _new_recovery_codes()
    if not SecondFactor.objects.filter(user=user).update(recovery_digests=digests):
        raise NotFound("Set up a second factor first.")
    return codes


def check_second_factor(*, user: User, code: str, request: HttpRequest, now: dt.datetime) -> str | None:
    """Return which kind of code this is, "app" or "recovery", if it is right and was not used before. Raises
    SignInPaused for tries that come too fast."""
    count_second_factor_try(user_id=user.pk, request=request, now=now)
    kind = "app" if _use_code(user, code, now) else "recovery" if _use_recovery_code(user, code, request) else None
    if kind is None:
        log.warning("second_factor_refused", user_id=user.pk)
    else:
        forgive_second_factor(user_id=user.pk, request=request)
    return kind


@transaction.atomic
def remove_second_factor(*, user_id: int) -> None:
    """Make the password enough until another second factor is set up. Raises NotFound."""
    deleted, _ = SecondFactor.objects.filter(user=user_id).delete()
    if not deleted:
        raise NotFound("There is no second factor.")


def code_at(secret: str, step: int) -> str:
    """Return the code of the `step`-th half minute since 1970."""
    return _codes_of(secret).generate(step * STEP_SECONDS).decode()


def _codes_of(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), 6, SHA1(), STEP_SECONDS)  # noqa: S303  (what every app computes)


def _step_of(secret: str, code: str, now: dt.datetime) -> int | None:
    """Return the half minute that a code belongs to: the current one, or the one before if somebody types while it
    changes. Return None for any other code."""
    present = int(now.timestamp()) // STEP_SECONDS
    digits = code.replace(" ", "").encode()
    accepted = (present, present - 1)
    return next((step for step in accepted if hmac.compare_digest(code_at(secret, step).encode(), digits)), None)


def _use_code(user: User, code: str, now: dt.datetime) -> bool:
    factor = SecondFactor.objects.filter(user=user).exclude(secret="").first()
    step = None if factor is None else _step_of(factor.secret, code, now)
    if factor is None or step is None:
        return False
    return _claim_step(factor.pk, step)


def _claim_step(factor_id: int, step: int) -> bool:
    return bool(SecondFactor.objects.filter(pk=factor_id, last_step__lt=step).update(last_step=step))


@transaction.atomic
def _use_recovery_code(user: User, code: str, request: HttpRequest) -> bool:
    factor = SecondFactor.objects.select_for_update().filter(user=user).first()
    digest = _digest(code)
    if factor is None or digest not in factor.recovery_digests:
        return False
    factor.recovery_digests = [kept for kept in factor.recovery_digests if kept != digest]
    factor.save(update_fields=["recovery_digests"])
    tell_deed(request, "Signed in with a recovery code")
    return True


def _new_recovery_codes() -> tuple[list[str], list[str]]:
    """Return the codes as people keep them, and the digests that we store: with 120 bits, nobody can guess them."""
    plain = [base64.b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(RECOVERY_CODES)]
    shown = ["-".join(code[at : at + 4] for at in range(0, 24, 4)) for code in plain]
    return shown, [_digest(code) for code in shown]


def _digest(code: str) -> str:
    return hashlib.sha256("".join(code.lower().replace("-", "").split()).encode()).hexdigest()
