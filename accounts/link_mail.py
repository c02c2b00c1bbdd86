"""Mails whose link is a key: sent at once, and kept nowhere."""

import smtplib
from collections.abc import Mapping
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from core.errors import Unavailable
from core.network import forbid_open_transaction


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
