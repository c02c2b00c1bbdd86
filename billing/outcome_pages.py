"""The page after paying, whatever was bought: what became of the payment, and when to check again."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.numbers import parse_whole_number

from .outcomes import Outcome, Purchase

TONES: dict[str, str] = {
    Outcome.TO_PAY: "wait",
    Outcome.CONFIRMING: "info",
    Outcome.PROCESSING: "info",
    Outcome.REFUNDED: "calm",
    Outcome.FAILED: "bad",
    Outcome.EXPIRED: "bad",
    Outcome.CANCELLED: "calm",
    Outcome.NOT_PAYABLE: "wait",
}
# The page checks again after this many seconds, then leaves it to the reader.
REFRESH_AFTER_SECONDS = (2, 3, 5, 8, 13, 20, 30)


@dataclass(frozen=True, slots=True)
class Link:
    """A page to which the reader can continue."""

    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    """One station on the way in: done, current, ahead, or stopped."""

    label: str
    state: str


@dataclass(frozen=True, slots=True)
class OutcomePage:
    """What the page shows about a purchase; `here` is its own URL."""

    purchase: Purchase
    learner: str  # the learner's first name
    facts: list[tuple[str, object]]
    here: str
    zone: ZoneInfo
    links: list[Link]
    steps: list[Step] = field(default_factory=list)
    place: str = ""  # where a place was held for this purchase; empty if there was none
    is_kept: bool = False  # whether the learner keeps that place although nothing was paid
    again: Link | None = None  # where to buy again
    left_payment_page: bool = False
    ended: str = ""  # what the learner no longer has, since the money went back


def render_outcome(request: HttpRequest, page: OutcomePage) -> HttpResponse:
    """Show the state of a payment that has brought nothing, or nothing yet; the page then checks again by itself."""
    outcome = page.purchase.unfulfilled
    context = {"page": page, "label": outcome.label, "tone": TONES[outcome]}
    if outcome == Outcome.CONFIRMING:
        context |= _refresh(request, page)
    return render(request, f"purchases/outcomes/{outcome}.html", context)


def _refresh(request: HttpRequest, page: OutcomePage) -> dict[str, object]:
    """Return when and where to check again."""
    count = parse_whole_number(request.GET.get("tried", "")) or 0
    if count >= len(REFRESH_AFTER_SECONDS):
        return {"look_again_url": page.here}
    return {
        "look_again_url": page.here,
        "refresh_url": f"{page.here}&tried={count + 1}",
        "refresh_after": REFRESH_AFTER_SECONDS[count],
    }
