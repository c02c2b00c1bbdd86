"""Limits on trying codes until one fits: for each caller, and for each network that callers come from."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.request import Request

from core.counters import count
from core.http.client_address import client_network

from ..errors import TooManyCodes, VoucherNotAccepted

SECONDS = 3600


@contextmanager
def refuse_guessing(request: HttpRequest | Request, *, principal: str, code: str) -> Iterator[None]:
    """Wrap whatever reads a typed code: each try is counted, and uncounted if the code was accepted.

    Raises TooManyCodes after VOUCHER_TRIES_PER_HOUR rejected ones, even for a right code.
    """
    if not code.strip():
        yield
        return
    keys = [f"voucher:{principal}", f"voucher:{client_network(request)}"]
    # Counted before the code is checked, so that many concurrent tries can't bypass the limit.
    tries = [count(key, seconds=SECONDS) for key in keys]
    if max(tries) > settings.VOUCHER_TRIES_PER_HOUR:
        raise TooManyCodes(_("Too many codes were tried. Wait an hour, or go on without a code."))
    try:
        yield
    except VoucherNotAccepted:
        raise
    except BaseException:
        _give_back(keys)
        raise
    _give_back(keys)


def _give_back(keys: list[str]) -> None:
    for key in keys:
        count(key, seconds=SECONDS, more=-1)
