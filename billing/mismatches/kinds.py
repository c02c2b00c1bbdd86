"""The kinds of mismatches: how to find each, what it means, and how to repair it. Apps above register theirs."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from accounts.models import User
from core.actors import Actor

from ..models import Mismatch


@dataclass(frozen=True, slots=True)
class Found:
    """Money whose records do not agree, and when it moved."""

    subject: str
    amount_minor: int
    currency: str
    happened_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Repair:
    """Who repairs it, why, and when."""

    mismatch: Mismatch
    actor: Actor
    user: User | None
    note: str
    now: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchKind:
    """`find` returns what does not agree in a workspace. `repair` calls the use case that repairs it; `foresee` says
    beforehand what that does. A repair that `asks_stripe` runs outside of any transaction. A kind with its own staff
    task (`has_task`) is not shown as waiting a second time."""

    name: str
    label: str
    meaning: str
    find: Callable[[int, dt.datetime], Iterable[Found]]
    repair: Callable[[Repair], object]
    foresee: Callable[[Mismatch], str]
    asks_stripe: bool = False
    has_task: bool = False


_kinds: dict[str, MismatchKind] = {}


def register_mismatch_kind(kind: MismatchKind) -> MismatchKind:
    """Register a kind, once, from the app that can find it."""
    _kinds[kind.name] = kind
    return kind


def find_mismatch_kind(name: str) -> MismatchKind | None:
    """Return the kind; None if no app registers it any longer."""
    return _kinds.get(name)


def list_mismatch_kinds() -> list[MismatchKind]:
    return list(_kinds.values())
