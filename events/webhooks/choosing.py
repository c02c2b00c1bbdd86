"""Which events an endpoint receives: types by name, all types of a kind by `kind.*`, or all by `*`.

docs/decisions/0086-what-webhooks-are-told.md says why.
"""

from collections.abc import Sequence

from django.db.models import Q

from core.errors import invalid_field

from ..event import event_types

ALL = "*"
MAX_TYPES = 100


def check_types(wanted: Sequence[str]) -> list[str]:
    """Return the types to listen to, each once. Raises Invalid naming those that no event has."""
    chosen = list(dict.fromkeys(wanted))
    if not chosen:
        raise invalid_field("eventTypes", "required", f"Name the event types to receive, or {ALL} for all.")
    if len(chosen) > MAX_TYPES:
        raise invalid_field("eventTypes", "too_many", f"Name at most {MAX_TYPES}; {ALL} stands for all.")
    known = event_types()
    kinds = {f"{name.partition('.')[0]}.*" for name in known if "." in name}
    unknown = [each for each in chosen if each != ALL and each not in known and each not in kinds]
    if unknown:
        raise invalid_field(
            "eventTypes",
            "unknown_type",
            f"There is no event {', '.join(unknown[:5])}. Give types as docs/events.md lists them, "
            f"a kind as in enrollment.*, or {ALL}.",
        )
    return chosen


def of_types(chosen: Sequence[str]) -> Q:
    """Return the outbox rows of these types."""
    if ALL in chosen:
        return Q()
    named = Q(type__in=[each for each in chosen if not each.endswith(".*")])
    for each in chosen:
        if each.endswith(".*"):
            named |= Q(type__startswith=each.removesuffix("*"))
    return named
