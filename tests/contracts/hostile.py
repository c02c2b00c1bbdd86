"""Values that nobody would send by accident, and what accepts values: the material of the walk over every route."""

import html
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from zlib import crc32

from django.contrib.admin import ModelAdmin
from django.db import models

Item = TypeVar("Item")
# The walk uses one value in so many at each place; `make hostile` uses all of them.
ONE_IN = int(os.environ.get("HOSTILE_ONE_IN", "3"))

TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\x07\x1b[31m",
    "'; DROP TABLE accounts_learner; --",
    "%s%n%(x)s{0}{x!r}{{ 7*7 }}",
    "<script>alert(1)</script>",
    "../../../etc/passwd",
    "😀👩‍👩‍👧‍👦",
    "\u202eשלום\u200b",
    "x" * 10_000,
    "null",
    "\r\nX-Injected: 1",
]
NUMBERS = [
    "-1",
    "0",
    "007",
    "9223372036854775807",
    "9223372036854775808",
    "9" * 40,
    "9" * 5_000,
    "1.5",
    "1e309",
    "NaN",
    "Infinity",
    "١٢",
    "²",
    "+1",
    "1_000",
    "0x10",
]
MOMENTS = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-14:00",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "0000-00-00",
    "2027-02-30",
    "2027-03-14T02:30:00",
    "24:00",
    "99999",
    "2027-W01-1",
]
VALUES = TEXTS + NUMBERS + MOMENTS
FEW = [
    "",
    "\x00",
    "x" * 10_000,
    "9" * 40,
    "-1",
    "1e309",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31",
    "\u200b",
    "😀'%s{0}",
]
# As they appear in an address, including percent-encoding.
RAW = ["%ff%fe", "%ED%A0%80", "%", "%zz", "%00", "a%0d%0ab", "%C0%80", "%F0%9F%98%80", "%u0000"]
SEGMENTS = [
    *RAW,
    "0",
    "-1",
    "9" * 40,
    "007",
    "1.5",
    "%D9%A1",
    "_00",
    "_5F",
    "1_2F2",
    "a" * 3_000,
    "..%2f..",
    "'",
    "%25s",
]
HEADERS = [
    "Accept",
    "Accept-Language",
    "Authorization",
    "Content-Type",
    "Cookie",
    "If-Modified-Since",
    "If-None-Match",
    "Idempotency-Key",
    "Origin",
    "Range",
    "Referer",
    "Stripe-Signature",
    "User-Agent",
    "X-API-Key",
    "X-CSRFToken",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Request-Id",
]
HEADER_VALUES = [
    "",
    "\x00",
    "\xff\xfe",
    "x" * 8_000,
    "9" * 5_000,
    "Bearer",
    "Bearer \xff",
    ",,;;==",
    'tz="\\000"; sessionid="\\377"',
    "*/*;q=x",
]
LOOKUPS = ["exact", "in", "gte", "isnull", "range", "year", "date", "bogus"]
LIST_PARAMETERS = ["q", "p", "o", "e", "all", "_popup", "_to_field", "_facets", "_changelist_filters", "ot", "pop"]
_INPUT = re.compile(r"<(input|select|textarea)\b[^>]*?\bname=\"([^\"]+)\"[^>]*>", re.DOTALL)
_VALUE = re.compile(r"\bvalue=\"([^\"]*)\"")
CONVERTER = re.compile(r"<(?:(\w+):)?\w+>")


def sample(items: Iterable[Item], place: str) -> list[Item]:
    """Return one item in `ONE_IN`, starting with one that depends on the place: all places together use each item."""
    return list(items)[crc32(place.encode()) % ONE_IN :: ONE_IN]


def addresses(route: str, good: dict[str, str]) -> Iterator[str]:
    """Return the route with good values, of which there must be one for each of its converters, and with hostile
    segments in each position.
    """
    places = CONVERTER.findall(route)
    yield _filled(route, [good[kind or "str"] for kind in places])
    for position in range(len(places)):
        for segment in sample(SEGMENTS, f"{route} {position}"):
            segments = [good[kind or "str"] for kind in places]
            segments[position] = segment
            yield _filled(route, segments)


def _filled(route: str, segments: list[str]) -> str:
    left = iter(segments)
    return "/" + CONVERTER.sub(lambda _: next(left), route.removeprefix("/")).rstrip("$").replace("^", "")


def list_parameters(admin: ModelAdmin) -> list[str]:
    """Return what the address of a list can contain: its own parameters, its filters, and lookups over its fields. Each
    field has at least one lookup, and each kind of field has some or all of its others: a lookup depends on the kind of
    field, not the model.
    """
    names = list(LIST_PARAMETERS)
    for entry in admin.list_filter:
        name = entry[0] if isinstance(entry, tuple) else entry
        parameter = name if isinstance(name, str) else getattr(name, "parameter_name", None)
        if parameter:
            names += [f"{parameter}__{lookup}".removesuffix("__") for lookup in ("", "id__exact", "exact", "isnull")]
    left: dict[type[models.Field], list[str]] = {}
    last: dict[type[models.Field], str] = {}
    for field in admin.model._meta.get_fields():
        if isinstance(field, models.Field):
            known = [lookup for lookup in LOOKUPS if lookup in field.get_lookups() or lookup == "bogus"]
            lookups = left.setdefault(type(field), list(known))
            names.append(f"{field.name}__{lookups.pop(0) if lookups else known[len(names) % len(known)]}")
            last[type(field)] = field.name
    others = [f"{last[kind]}__{lookup}" for kind, lookups in left.items() for lookup in lookups]
    names += sample(others, admin.model._meta.label)
    if admin.date_hierarchy:
        names += [f"{admin.date_hierarchy}__{part}" for part in ("year", "month", "day")]
    return list(dict.fromkeys(names))


def form_fields(page: str) -> dict[str, Any]:
    """Return the names of the fields on a page, with their present values."""
    fields = {}
    for found in _INPUT.finditer(page):
        value = _VALUE.search(found[0])
        fields[html.unescape(found[2])] = html.unescape(value[1]) if value else ""
    return fields
