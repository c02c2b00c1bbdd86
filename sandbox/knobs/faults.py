"""The fault knobs: which there are, how they are set, and whether one applies now.

A knob is set by its bare value (`{"latency_ms": 200}`) or by an object that also says when it applies (`{"latency_ms":
{"value": 200, "times": 3, "path": "/v1/refunds", "method": "POST"}}`). False, null, and "normal" turn it off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from sandbox.knobs.models import Fault

LONGEST_MS = 600_000


class InvalidKnob(Exception):
    """The request names a knob, an option, or a value that does not exist; the message says which do."""


@dataclass(frozen=True)
class Knob:
    """One kind of fault: the values it accepts (None: only on and off), its options with defaults, and its limits."""

    values: tuple[str, ...] | range | None
    options: Mapping[str, int]
    limits: tuple[str, ...]


REQUEST = ("path", "method")
KNOBS: Mapping[str, Knob] = {
    "latency_ms": Knob(values=range(1, LONGEST_MS), options={}, limits=REQUEST),
    "rate_limit": Knob(values=None, options={"retry_after": 1}, limits=REQUEST),
    "server_error": Knob(values=None, options={}, limits=REQUEST),
    "refusal": Knob(values=("account", "permission"), options={}, limits=REQUEST),
    "lost_answer": Knob(values=("close", "500", "hang"), options={"delay_ms": 5_000}, limits=REQUEST),
    "garbage": Knob(values=None, options={}, limits=REQUEST),
    "webhooks": Knob(
        values=("hold", "drop", "duplicate", "late", "shuffle"),
        options={"delay_ms": 500, "copies": 2},
        limits=("type", "path"),
    ),
    "refunds": Knob(values=("pending", "failed"), options={}, limits=()),
}


@transaction.atomic
def set_faults(*, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Set or turn off the named knobs, leaving the others, and return all that are in force.

    Raises InvalidKnob, and then changes nothing.
    """
    for name, value in wanted.items():
        if name not in KNOBS:
            raise InvalidKnob(f"There is no knob {name!r}; there are {', '.join(KNOBS)}.")
        Fault.objects.filter(knob=name).delete()
        asked = dict(value) if isinstance(value, dict) else {"value": value}
        if asked.get("value", True) in (False, None, 0, "normal"):
            continue
        times = asked.pop("times", None)
        if times is not None and not _is_count(times):
            raise InvalidKnob(f"{name}: times must be a whole number of at least 1, or absent for every time.")
        Fault.objects.create(knob=name, settings=_settings(name, asked), times_left=times)
    return list_faults()


def list_faults() -> list[dict[str, Any]]:
    return [
        {"knob": fault.knob, **fault.settings, "times_left": fault.times_left}
        for fault in Fault.objects.order_by("knob")
    ]


def clear_faults() -> None:
    Fault.objects.all().delete()


def strike(knob: str, **circumstances: str) -> dict[str, Any] | None:
    """Return the settings of this fault if it applies here, counting down its times; None otherwise.

    `circumstances` are what a fault can be limited to: path and type match by prefix, method exactly.
    """
    fault = Fault.objects.filter(knob=knob).first()
    if fault is None or not _applies(fault.settings, circumstances):
        return None
    if fault.times_left is not None:
        # One statement decides who gets the last time, because requests run concurrently.
        if not Fault.objects.filter(pk=fault.pk, times_left__gt=0).update(times_left=F("times_left") - 1):
            return None
        Fault.objects.filter(pk=fault.pk, times_left=0).delete()
    return dict(fault.settings)


def _applies(settings: Mapping[str, Any], circumstances: Mapping[str, str]) -> bool:
    return (
        circumstances.get("path", "").startswith(settings.get("path", ""))
        and circumstances.get("type", "").startswith(settings.get("type", ""))
        and settings.get("method", circumstances.get("method")) == circumstances.get("method")
    )


def _settings(name: str, asked: dict[str, Any]) -> dict[str, Any]:
    knob = KNOBS[name]
    settings: dict[str, Any] = {"value": _value(name, knob, asked.pop("value", True)), **knob.options}
    for option, value in asked.items():
        if option in knob.options:
            if not _is_count(value) or value > LONGEST_MS:
                raise InvalidKnob(f"{name}: {option} must be a whole number between 1 and {LONGEST_MS}.")
        elif option not in knob.limits:
            known = ", ".join(["value", "times", *knob.options, *knob.limits])
            raise InvalidKnob(f"{name}: unknown option {option!r}; it has {known}.")
        elif not isinstance(value, str):
            raise InvalidKnob(f"{name}: {option} must be text.")
        settings[option] = value.upper() if option == "method" else value
    return settings


def _value(name: str, knob: Knob, value: Any) -> Any:
    if knob.values is None:
        if value is not True:
            raise InvalidKnob(f"{name}: the value must be true or false.")
        return True
    if value is True and isinstance(knob.values, tuple):
        return knob.values[0]
    if isinstance(value, bool) or value not in knob.values:
        allowed = f"1 to {LONGEST_MS - 1}" if isinstance(knob.values, range) else ", ".join(knob.values)
        raise InvalidKnob(f"{name}: the value must be one of {allowed}.")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 2**31
