"""The mail that development keeps in files instead of sending."""

import datetime as dt
import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest

from core.http.client_address import is_from_this_machine

# The line that Django's file backend writes after each message.
_SEPARATOR = re.compile(rb"^-{79}\n", re.MULTILINE)
_CODE_LINE = re.compile(r"^[A-Z0-9]{4}-?[A-Z0-9]{4}$", re.MULTILINE)
FILE_BACKEND = "django.core.mail.backends.filebased.EmailBackend"


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as a reader sees it; `code` is the sign-in code, empty if there is none."""

    to: str
    subject: str
    sent_at: dt.datetime
    text: str
    code: str


def may_read_mailbox(request: HttpRequest) -> bool:
    """Return whether this caller may see everybody's mail: a person who runs the sandbox on their own machine. A demo
    host with production settings has no such page, whatever else is configured.
    """
    is_kept = settings.MAILBOX_PAGE and settings.SANDBOX and settings.EMAIL_BACKEND == FILE_BACKEND
    return bool(is_kept) and is_from_this_machine(request)


def list_mails(*, folder: Path, limit: int) -> list[Mail]:
    """Return the messages in the folder, newest first and limited in number; none if the folder does not exist yet."""
    files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)[:limit]
    mails = [_read(raw) for file in files for raw in _SEPARATOR.split(file.read_bytes()) if raw.strip()]
    return sorted(mails, key=lambda mail: mail.sent_at, reverse=True)[:limit]


def _read(raw: bytes) -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    part = message.get_body(preferencelist=("plain",))
    text = str(part.get_content()) if part else ""
    code = _CODE_LINE.search(text)
    return Mail(
        to=str(message["To"]),
        subject=str(message["Subject"]),
        sent_at=parsedate_to_datetime(str(message["Date"])),
        text=text,
        code=code.group() if code else "",
    )
