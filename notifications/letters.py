"""What an email says: each app writes its own, as a text template from which both halves of the mail are made.

The first line of a template is the subject. Paragraphs are separated by empty lines; lines that begin with "- " are a
list, and a line "-> Label: https://..." alone in its paragraph is a button.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template, render_to_string
from django.utils.translation import gettext as _

from core.text import shorten

from .models import Notification

_BUTTON = re.compile(r"-> (?P<label>.+): (?P<url>https?://\S+)")
SUBJECT_LENGTH = 150  # mail programs cut off longer ones, rarely after a word
_EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n)+")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to an email."""

    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Email:
    """A finished mail, without its recipient."""

    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    stop_url: str = ""  # where the recipient stops such mails, if they may


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the HTML half: a paragraph, a list, or a button."""

    lines: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    label: str = ""
    url: str = ""


Renderer = Callable[[Notification], Email | None]
_renderers: dict[str, Renderer] = {}
_forgetting: set[str] = set()


def register_email(kind: str, render: Renderer, *, forgets_address: bool = False) -> None:
    """Register how emails of this kind are made from a notification's `params` at sending time.

    `render` returns None when there is nothing left to say. Called once per kind when the owning app gets ready. With
    `forgets_address`, the row no longer shows the recipient's address after the mail was sent or given up.
    """
    _renderers[kind] = render
    if forgets_address:
        _forgetting.add(kind)


def forgets_address(kind: str) -> bool:
    return kind in _forgetting


def known_kinds() -> list[str]:
    return sorted(_renderers)


def is_registered(kind: str) -> bool:
    return kind in _renderers


def render(notification: Notification) -> Email | None:
    """Return the email as of now, or None if no longer true. Raises KeyError for a kind that nobody registered."""
    return _renderers[notification.kind](notification)


def compose(template: str, context: Mapping[str, Any], *, attachments: tuple[Attachment, ...] = ()) -> Email:
    """Return an email from the template `emails/<template>.txt`; whitespace inside a value becomes one space.

    `PUBLIC_URL` is available for links.
    """
    values = {name: _one_line(value) for name, value in context.items()} | {"PUBLIC_URL": settings.PUBLIC_URL}
    source: Any = get_template(f"emails/{template}.txt")
    subject, _, body = source.template.render(Context(values, autoescape=False)).strip().partition("\n")
    return lay_out(subject, body, attachments=attachments)


def lay_out(subject: str, body: str, *, attachments: tuple[Attachment, ...] = (), stop_url: str = "") -> Email:
    """Return both halves of an email with this subject and these paragraphs; a URL that stops such mails ends both."""
    subject = shorten(subject.strip(), SUBJECT_LENGTH)
    text = _EMPTY_LINES.sub("\n\n", body.strip())
    blocks = [_block(paragraph) for paragraph in text.split("\n\n")]
    html = render_to_string("emails/letter.html", {"subject": subject, "blocks": blocks, "stop_url": stop_url})
    plain = text.replace("-> ", "") + "\n"
    if stop_url:
        plain += "\n" + _("Stop these emails: %(link)s") % {"link": stop_url} + "\n"
    return Email(subject, plain, html, attachments, stop_url)


def _one_line(value: Any) -> Any:
    """Put a value on one line: a name may contain anything, even the start of a paragraph or a button."""
    if isinstance(value, list):
        return [_one_line(item) for item in value]
    return " ".join(value.split()) if isinstance(value, str) else value


def _block(paragraph: str) -> Block:
    lines = tuple(line.strip() for line in paragraph.splitlines())
    if len(lines) == 1 and (button := _BUTTON.fullmatch(lines[0])):
        return Block(label=button["label"], url=button["url"])
    if all(line.startswith("- ") for line in lines):
        return Block(items=tuple(line.removeprefix("- ") for line in lines))
    return Block(lines=lines)
