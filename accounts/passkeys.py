"""Passkeys: a key in a phone, a computer, or a security key that answers a challenge instead of a code (WebAuthn).

fido2 implements the protocol. A passkey belongs to this site's name and origin, so no page that imitates ours can ask
for its answer. See docs/decisions/0117-a-second-factor-for-staff.md.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core.errors import DomainError, NotFound, invalid_field

from .models import Passkey, User
from .passwords import count_second_factor_try, forgive_second_factor
from .second_factors import open_second_factor, remove_second_factor

log = structlog.get_logger(__name__)

PASSKEYS_PER_PERSON = 10
ANSWER_AT_MOST = 20_000  # characters of a browser's answer
# What the parser raises for a malformed answer.
_NOT_AN_ANSWER = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)


class TooManyPasskeys(DomainError):
    code = "too_many_passkeys"
    title = "The account has reached its limit of passkeys"


def begin_passkey(user: User) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the browser needs to create a passkey, and what to keep until it answers."""
    options, kept = _server().register_begin(
        PublicKeyCredentialUserEntity(id=str(user.pk).encode(), name=user.email, display_name=str(user)),
        credentials=_credentials_of(user),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return dict(options)["publicKey"], kept


@transaction.atomic
def add_passkey(*, user: User, name: str, answer: str, kept: Mapping[str, Any] | None, now: dt.datetime) -> list[str]:
    """Accept this passkey besides the person's others from now on; return recovery codes if it is the first second
    factor. Raises Invalid for an answer that does not match what was kept, TooManyPasskeys."""
    try:
        made = _server().register_complete(_known(kept), _parsed(answer)).credential_data
        if made is None or len(made.credential_id) > Passkey.LONGEST_ID:
            raise ValueError("No key, or a key of an unknown type.")
    except _NOT_AN_ANSWER as error:
        raise invalid_field("answer", "wrong_answer", "Your browser did not create a passkey. Try again.") from error
    factor, codes = open_second_factor(user)
    if factor.passkeys.count() >= PASSKEYS_PER_PERSON:
        raise TooManyPasskeys(f"{PASSKEYS_PER_PERSON} passkeys are enough. Remove one first.")
    if Passkey.objects.filter(credential_id=websafe_encode(made.credential_id)).exists():
        raise invalid_field("answer", "known", "This passkey is already set up.")
    Passkey.objects.create(
        factor=factor,
        name=name,
        credential_id=websafe_encode(made.credential_id),
        public_data=websafe_encode(made),
        created_at=now,
    )
    return codes


def begin_passkey_check(user: User) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what the browser is asked for after the password, and what to keep; None for people without passkeys."""
    credentials = _credentials_of(user)
    if not credentials:
        return None
    options, kept = _server().authenticate_begin(credentials, UserVerificationRequirement.PREFERRED)
    return dict(options)["publicKey"], kept


def check_passkey(
    *, user: User, answer: str, kept: Mapping[str, Any] | None, request: HttpRequest, now: dt.datetime
) -> bool:
    """Return whether one of the person's passkeys answered the challenge. Raises SignInPaused if tries are too fast."""
    count_second_factor_try(user_id=user.pk, request=request, now=now)
    try:
        parsed = AuthenticationResponse.from_dict(_parsed(answer))
        used = _server().authenticate_complete(_known(kept), _credentials_of(user), parsed)
        counter = parsed.response.authenticator_data.counter
    except _NOT_AN_ANSWER:
        log.warning("second_factor_refused", user_id=user.pk)
        return False
    if not _count_use(user, websafe_encode(used.credential_id), counter, now):
        log.warning("passkey_counter_went_back", user_id=user.pk)  # two devices hold what only one should
        return False
    forgive_second_factor(user_id=user.pk, request=request)
    return True


@transaction.atomic
def remove_passkey(*, user: User, passkey_id: int) -> None:
    """Remove a passkey; without any second factor left, the password is enough again. Raises NotFound."""
    passkey = Passkey.objects.filter(pk=passkey_id, factor__user=user).select_related("factor").first()
    if passkey is None:
        raise NotFound("This passkey has already been removed.")
    factor, _ = open_second_factor(user)
    passkey.delete()
    if not factor.secret and not factor.passkeys.exists():
        remove_second_factor(user_id=user.pk)


def _count_use(user: User, credential_id: str, counter: int, now: dt.datetime) -> bool:
    """Check the counter: it only grows; devices that keep none always report 0."""
    grows = Q(sign_count__lt=counter) if counter else Q(sign_count=0)
    used = Passkey.objects.filter(grows, credential_id=credential_id, factor__user=user)
    return bool(used.update(sign_count=counter, last_used_at=now))


def _credentials_of(user: User) -> list[AttestedCredentialData]:
    stored = Passkey.objects.filter(factor__user=user).order_by("pk").values_list("public_data", flat=True)
    return [AttestedCredentialData(websafe_decode(data)) for data in stored]


def _server() -> Fido2Server:
    """Return a server for our public address alone, whatever host a request names."""
    origin = urlsplit(settings.PUBLIC_URL)
    ours = PublicKeyCredentialRpEntity(name="Enrollment Platform", id=origin.hostname)
    return Fido2Server(ours, verify_origin=lambda asked: asked == f"{origin.scheme}://{origin.netloc}")


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > ANSWER_AT_MOST:
        raise ValueError("The answer is larger than any browser sends.")
    parsed = json.loads(answer)
    if not isinstance(parsed, dict):
        raise TypeError("Not an object.")
    return parsed


def _known(kept: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if kept is None:
        raise ValueError("There is no open request, or it was already answered.")
    return kept
