"""What staff do about their own accounts at its door, told to whoever keeps the audit log above."""

from collections.abc import Callable

from django.http import HttpRequest

Listener = Callable[[HttpRequest, str], None]
_listeners: list[Listener] = []


def hear_of_deeds(listener: Listener) -> None:
    """Called when the apps are ready. It gets the request of whoever is signed in by now, and what they did, in the
    transaction of what they did."""
    _listeners.append(listener)


def tell_deed(request: HttpRequest, action: str) -> None:
    for listener in _listeners:
        listener(request, action)
