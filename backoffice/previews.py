"""What an action is about to do, told before it does it: its consequences, and the mails as their readers get them.

What many rows are in for is told together, by numbers and by sums in each currency.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from core.money import Money


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that will be sent, and to whom."""

    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Sentences about what will be so afterwards, and the letters about it. Of many rows: `refused` has a reason for
    each one that will be refused although its button is there."""

    sentences: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()
    mails: str = "No mail is sent."  # what is said of mails where none is shown
    refused: tuple[str, ...] = ()


def tell_number(what: str, number: int) -> list[str]:
    """How many of many are in for something; nothing is said of none."""
    return [f"{what}: {number:,}."] if number else []


def tell_numbers(what: str, kinds: Iterable[object]) -> list[str]:
    """How many of each kind there are, those of which there are most first."""
    return [f"{what} {kind}: {number:,}." for kind, number in Counter(map(str, kinds)).most_common()]


def tell_sums(what: str, amounts: Iterable[Money]) -> list[str]:
    """What they come to, in each currency; nothing is said of no money."""
    sums: dict[str, int] = defaultdict(int)
    for money in amounts:
        sums[money.currency] += money.minor
    told = ", ".join(str(Money(minor, currency)) for currency, minor in sorted(sums.items()) if minor)
    return [f"{what}: {told}."] if told else []
