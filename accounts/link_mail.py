"""Mails whose link gives access: sent immediately, and stored nowhere."""

import hashlib
import secrets
import smtplib
from collections.abc import Mapping
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from core.counters import count_in_database
from core.errors import Unavailable
from core.network import forbid_open_transaction

DAY_SECONDS = 24 * 60 * 60


def find_exceeded(limits: Mapping[str, int]) -> tuple[int, int] | None:
    """Count one mail under each key for today; return the limit it exceeds and the seconds until it may be sent, or
    None if it may be sent now."""
    for key, limit in limits.items():
        number, starts_anew = count_in_database(key, seconds=DAY_SECONDS)
        if number > limit:
            return limit, starts_anew
    return None


def new_secret() -> tuple[str, str]:
    """Return the secret of a link, which can't be retrieved again, and the digest by which it is found."""
    secret = secrets.token_urlsafe(24)
    return secret, digest_of(secret)


def digest_of(secret: str) -> str:
    """Return the digest, the only part of a link's secret that is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def mailbox_key(address: str) -> str:
    """Return the address as counters name it, which reveals nobody."""
    return hashlib.sha256(address.encode()).hexdigest()[:32]


def send_link_mail(*, template: str, to: str, context: Mapping[str, Any]) -> None:
    """Render and send a mail, outside any transaction. Raises Unavailable if the mail server does not accept it."""
    forbid_open_transaction()
    subject = " ".join(render_to_string(f"{template}_subject.txt", dict(context)).split())
    message = EmailMultiAlternatives(subject, render_to_string(f"{template}_message.txt", dict(context)), to=[to])
    message.attach_alternative(render_to_string(f"{template}_message.html", dict(context)), "text/html")
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(_("The mail could not be sent. Send it again in a few minutes.")) from error
