"""Mails whose link is a key: sent at once, and kept nowhere."""

import hashlib
import secrets
import smtplib
from collections.abc import Mapping
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from core.counters import count_in_database
from core.errors import Unavailable
from core.network import forbid_open_transaction

DAY_SECONDS = 24 * 60 * 60


def find_exceeded(limits: Mapping[str, int]) -> tuple[int, int] | None:
    """Count a mail of today under each key; the limit that this is one too many for, with the seconds until it may be
    sent, or None if it may be sent now."""
    for key, limit in limits.items():
        number, starts_anew = count_in_database(key, seconds=DAY_SECONDS)
        if number > limit:
            return limit, starts_anew
    return None


def new_secret() -> tuple[str, str]:
    """What a link carries, which can't be had again, and the digest by which it is found."""
    secret = secrets.token_urlsafe(24)
    return secret, digest_of(secret)


def digest_of(secret: str) -> str:
    """All that is kept of a link's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def mailbox_key(address: str) -> str:
    """The address as counters name it, which tells nobody whose it is."""
    return hashlib.sha256(address.encode()).hexdigest()[:32]


def send_link_mail(*, template: str, to: str, context: Mapping[str, Any]) -> None:
    """Render and send a mail, outside any transaction. Raises Unavailable if the mail server does not take it."""
    forbid_open_transaction()
    subject = " ".join(render_to_string(f"{template}_subject.txt", dict(context)).split())
    message = EmailMultiAlternatives(subject, render_to_string(f"{template}_message.txt", dict(context)), to=[to])
    message.attach_alternative(render_to_string(f"{template}_message.html", dict(context)), "text/html")
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable("The mail could not be sent. Send it again in a few minutes.") from error
