"""Reports what staff do about their own accounts on the accounts' sign-in pages to the app that keeps the audit log."""

from collections.abc import Callable

from django.http import HttpRequest

Listener = Callable[[HttpRequest, str], None]
_listeners: list[Listener] = []


def hear_of_deeds(listener: Listener) -> None:
    """Register a listener when the apps are ready. It receives the request of the person signed in by then and what
    they did, in the same transaction."""
    _listeners.append(listener)


def tell_deed(request: HttpRequest, action: str) -> None:
    for listener in _listeners:
        listener(request, action)
