"""What an action is about to do, told before it does it: its consequences, and the mails as their readers get them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that will be sent, and to whom."""

    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Sentences about what will be so afterwards, and the letters about it."""

    sentences: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()
    mails: str = "No mail is sent."  # what is said of mails where none is shown
