"""What staff answer a family that has asked for another name, for the app above that writes to families. This app knows
nothing of the apps above."""

import datetime as dt
from collections.abc import Callable

from .models import NameChange

Teller = Callable[[NameChange, dt.datetime], None]
_registered: list[Teller] = []


def register_teller(tell: Teller) -> None:
    """Called when the app above gets ready. `tell(change, now)` joins the caller's transaction."""
    _registered[:] = [tell]


def tell_family(change: NameChange, now: dt.datetime) -> None:
    """Staff have decided: the name was changed as asked, or stays and `note` says why."""
    for tell in _registered:
        tell(change, now)
