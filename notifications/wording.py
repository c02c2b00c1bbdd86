"""The mail texts that a workspace may change: ours until it writes its own, and none if it has switched a mail off.

Words are plain text with placeholders in braces from a fixed list, such as `{learner}`. They are filled in by a single
substitution, never as a Django template: whatever staff write and whatever a name contains stays text.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.template.loader import get_template
from django.utils import translation
from django.utils.translation import get_language, gettext

from accounts.languages import check_language
from core.actors import Actor
from core.errors import FieldError, Invalid, NotFound

from .letters import Email, lay_out
from .models import WorkspaceLetter

SUBJECT_MAX = 150
BODY_MAX = 5_000
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_BUTTON = re.compile(r"(?m)^[ \t]*-> .+: \{([a-z_]+)\}[ \t]*$")
_BRACE = re.compile(r"[{}]")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What may appear in braces, its value, and an example for the preview."""

    name: str
    meaning: str
    sample: str


@dataclass(frozen=True, slots=True)
class Wording:
    """One kind of mail whose words may be changed; ours are in `templates/emails/<template>.txt`."""

    kind: str
    label: str
    template: str
    placeholders: tuple[Placeholder, ...]

    @property
    def samples(self) -> dict[str, str]:
        return {placeholder.name: placeholder.sample for placeholder in self.placeholders}


@dataclass(frozen=True, slots=True)
class Words:
    """A subject and paragraphs, with placeholders."""

    subject: str
    body: str


_wordings: dict[str, Wording] = {}


def register_wording(wording: Wording) -> None:
    """Register a wording, once per kind, when the owning app gets ready."""
    _wordings[wording.kind] = wording


def list_wordings() -> list[Wording]:
    return sorted(_wordings.values(), key=lambda wording: wording.label)


def find_wording(kind: str) -> Wording:
    """Return the wording. Raises NotFound for a kind whose words can't be changed."""
    if kind not in _wordings:
        raise NotFound(f"There is no mail {kind} whose words can be changed.")
    return _wordings[kind]


def label_of(kind: str) -> str:
    """Return what staff call a mail: its label in the list of words, or its kind in plain letters."""
    wording = _wordings.get(kind)
    return wording.label if wording else kind.replace("_", " ").replace(".", " ").capitalize()


def our_words(kind: str) -> Words:
    """Return what the mail says until a workspace writes something else."""
    source = get_template(f"emails/{find_wording(kind).template}.txt").template  # type: ignore[attr-defined]
    subject, _, body = "\n".join(_translate(line) for line in str(source.source).strip().splitlines()).partition("\n")
    return Words(subject.strip(), body.strip())


def _translate(line: str) -> str:
    """Translate a line of our words, or a button's label, to the current language."""
    if line.startswith("-> "):
        label, _, address = line.removeprefix("-> ").rpartition(": ")
        return f"-> {gettext(label)}: {address}"
    return gettext(line) if _PLACEHOLDER.sub("", line).strip() else line


def write_letter(*, kind: str, workspace_id: int, values: Mapping[str, str], stop_url: str = "") -> Email:
    """Return the mail in the current language: in the workspace's words if it has written some in that language,
    otherwise in ours. Either way, the mail ends with the URL that stops it, if it has one."""
    own = WorkspaceLetter.objects.filter(workspace=workspace_id, kind=kind, language=get_language()).first()
    return fill_in(Words(own.subject, own.body) if own else our_words(kind), values, stop_url=stop_url)


def fill_in(words: Words, values: Mapping[str, str], *, stop_url: str = "") -> Email:
    """Return the mail with its values filled in. Spaces and line breaks inside a value become one space, so that no
    value can begin a paragraph or a button; a paragraph that ends up empty is left out, and so is a button without an
    address."""
    texts = {name: " ".join(value.split()) for name, value in values.items()}

    def fill(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: texts.get(found[1], ""), text)

    named = _BUTTON.sub(lambda found: found[0] if texts.get(found[1]) else "", words.body)
    body = "\n".join(line.rstrip() for line in fill(named).splitlines())
    return lay_out(fill(words.subject), body, stop_url=stop_url)


def is_switched_off(*, kind: str, workspace_id: int) -> bool:
    """Return whether the workspace has switched this mail off."""
    if kind not in _wordings:
        return False
    return WorkspaceLetter.objects.filter(workspace=workspace_id, kind=kind, is_on=False).exists()


@transaction.atomic
def begin_letter(
    *, workspace_id: int, kind: str, language: str = "en", actor: Actor, now: dt.datetime
) -> WorkspaceLetter:
    """Return the workspace's own copy of a mail's words in a language, which starts as ours; the existing one if there
    is one. Raises Invalid for a language that is not ours."""
    check_language(language)
    with translation.override(language):
        ours = our_words(kind)
    _lock_letters(workspace_id, kind)
    letter, _ = WorkspaceLetter.objects.get_or_create(
        workspace_id=workspace_id,
        kind=kind,
        language=language,
        defaults={
            "subject": ours.subject,
            "body": ours.body,
            "is_on": not is_switched_off(kind=kind, workspace_id=workspace_id),
            "changed_by": str(actor),
            "changed_at": now,
        },
    )
    return letter


@transaction.atomic
def change_letter(
    *, letter_id: int, subject: str, body: str, is_on: bool, actor: Actor, now: dt.datetime
) -> WorkspaceLetter:
    """Set a workspace's words in a language, or switch the mail off or on in every language. Raises Invalid naming an
    unknown placeholder, and NotFound if the words were reset meanwhile."""
    letter = _lock_in_every_language(letter_id)
    if letter is None:
        raise NotFound("The words of this mail were reset meanwhile.")
    words = check_words(kind=letter.kind, subject=subject, body=body)
    letter.subject = words.subject
    letter.body = words.body
    letter.is_on = is_on
    letter.changed_by = str(actor)
    letter.changed_at = now
    letter.save()
    WorkspaceLetter.objects.filter(workspace=letter.workspace_id, kind=letter.kind).update(is_on=is_on)
    return letter


@transaction.atomic
def reset_letter(*, letter_id: int) -> None:
    """Go back to our words in this language, and switch the mail on in every language. Without the letter, change
    nothing."""
    letter = _lock_in_every_language(letter_id)
    if letter is not None:
        letter.delete()
        WorkspaceLetter.objects.filter(workspace=letter.workspace_id, kind=letter.kind).update(is_on=True)


def _lock_in_every_language(letter_id: int) -> WorkspaceLetter | None:
    """Lock a mail's words in all languages, which are switched off and on together; return those with this id."""
    known = WorkspaceLetter.objects.filter(pk=letter_id).first()
    if known is None:
        return None
    letters = _lock_letters(known.workspace_id, known.kind)
    return next((letter for letter in letters if letter.pk == letter_id), None)


def _lock_letters(workspace_id: int, kind: str) -> list[WorkspaceLetter]:
    letters = WorkspaceLetter.objects.filter(workspace=workspace_id, kind=kind)
    return list(letters.select_for_update().order_by("pk"))


def check_words(*, kind: str, subject: str, body: str) -> Words:
    """Return the words as they are stored. Raises Invalid naming the field and what is wrong with it."""
    wording = find_wording(kind)
    words = Words(" ".join(subject.split()), "\n".join(line.rstrip() for line in body.strip().splitlines()))
    faults = [
        *_faults("subject", words.subject, SUBJECT_MAX, wording),
        *_faults("body", words.body, BODY_MAX, wording),
    ]
    if faults:
        raise Invalid(" ".join(fault.detail for fault in faults), errors=tuple(faults))
    return words


def _faults(field: str, text: str, longest: int, wording: Wording) -> list[FieldError]:
    known = wording.samples
    choices = ", ".join(f"{{{name}}}" for name in known)
    if not text:
        return [FieldError(field, "blank", "Write something, or switch the mail off.")]
    if len(text) > longest:
        return [FieldError(field, "too_long", f"Write at most {longest:,} characters.")]
    unknown = sorted({name for name in _PLACEHOLDER.findall(text) if name not in known})
    if unknown:
        named = ", ".join(f"{{{name}}}" for name in unknown)
        return [FieldError(field, "unknown_placeholder", f"{named} is not known in this mail. It knows {choices}.")]
    if _BRACE.search(_PLACEHOLDER.sub("", text)):
        return [FieldError(field, "stray_brace", f"Braces are only for placeholders. This mail knows {choices}.")]
    return []
