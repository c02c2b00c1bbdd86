"""What an action will do, shown beforehand: its consequences, and the mails as their readers will get them.

For many rows, the preview gives numbers and the sums in each currency.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from core.money import Money


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that will be sent, and its recipients."""

    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Sentences about the state afterwards, and the letters about it. For many rows, `refused` has a reason for each
    one that will be refused although its button is shown."""

    sentences: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()
    mails: str = "No mail is sent."  # shown about mails if there is none to preview
    refused: tuple[str, ...] = ()


def tell_number(what: str, number: int) -> list[str]:
    """Say how many of many are affected; say nothing if none are."""
    return [f"{what}: {number:,}."] if number else []


def tell_numbers(what: str, kinds: Iterable[object]) -> list[str]:
    """Say how many there are of each kind, most frequent first."""
    return [f"{what} {kind}: {number:,}." for kind, number in Counter(map(str, kinds)).most_common()]


def tell_sums(what: str, amounts: Iterable[Money]) -> list[str]:
    """Say the total in each currency; say nothing if there is no money."""
    sums: dict[str, int] = defaultdict(int)
    for money in amounts:
        sums[money.currency] += money.minor
    told = ", ".join(str(Money(minor, currency)) for currency, minor in sorted(sums.items()) if minor)
    return [f"{what}: {told}."] if told else []
