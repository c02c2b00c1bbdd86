"""The faults that can affect any stand-in's HTTP API: slowness, overload, errors, refusals, and lost responses."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from sandbox.knobs import faults
from sandbox.knobs.lost_answers import broken_off


@dataclass(frozen=True, slots=True)
class Blow:
    """The response that a fault returns instead of running the operation."""

    status: int
    message: str
    headers: Mapping[str, str]


def strike_before(request: HttpRequest) -> Blow | None:
    """Apply the faults that strike a request before anything is done."""
    here = {"path": request.path, "method": str(request.method)}
    if fault := faults.strike("latency_ms", **here):
        time.sleep(fault["value"] / 1000)
    if fault := faults.strike("rate_limit", **here):
        return Blow(429, "Too many requests.", {"Retry-After": str(fault["retry_after"])})
    if faults.strike("server_error", **here):
        return Blow(500, "Something went wrong here.", {})
    if faults.strike("refusal", **here):
        return Blow(403, "This key may not do this.", {})
    return None


def strike_after(
    request: HttpRequest, answer: HttpResponseBase, spoil: Callable[[str], HttpResponseBase]
) -> HttpResponseBase:
    """Apply the faults that hit the response after the operation; `spoil` writes an error as the vendor does."""
    if faults.strike("garbage", path=request.path, method=str(request.method)):
        return HttpResponse("<html>Welcome!</html>", content_type="application/json")
    fault = faults.strike("lost_answer", path=request.path, method=str(request.method))
    if fault is None:
        return answer
    if fault["value"] == "close":
        return broken_off({"Content-Type": "application/json"})
    if fault["value"] == "hang":
        time.sleep(fault["delay_ms"] / 1000)
        return answer
    return spoil("Something went wrong here.")
