"""Tells a family how staff decided about a name change, through the app above that writes to families. This app knows
nothing of the apps above."""

import datetime as dt
from collections.abc import Callable

from .models import NameChange

Teller = Callable[[NameChange, dt.datetime], None]
_registered: list[Teller] = []


def register_teller(tell: Teller) -> None:
    """Register the teller when the app above gets ready. `tell(change, now)` joins the caller's transaction."""
    _registered[:] = [tell]


def tell_family(change: NameChange, now: dt.datetime) -> None:
    """Tell the family what staff decided: the name was changed as requested, or it stays and `note` says why."""
    for tell in _registered:
        tell(change, now)
