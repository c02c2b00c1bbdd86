"""How rows look in the back office: status badges, money, links, and the cards that show an object's neighbors."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core import time_words
from core.clock import utc_now
from core.money import Money
from core.numbers import parse_whole_number

NOTHING = "—"

# One tone per word, whichever state machine uses it, so that the same word always looks the same.
TONES: dict[str, str] = {
    word: tone
    for tone, words in {
        "success": "approved active completed paid succeeded used relayed delivered done usable handled taken accepted",
        "info": "eligible reserved partially_refunded refunded automatic district offered",
        "warning": "submitted checkout_required open pending processing requested manual held waiting",
        "danger": "expired revoked ineligible rejected failed disputed dead overdue",
        "primary": "owner admin parent",
    }.items()
    for word in words.split()
}


def badge(value: str, label: str = "") -> SafeString:
    """Return a status as a colored label."""
    context = {"text": label or value, "type": TONES.get(value, "default")}
    return SafeString(render_to_string("unfold/helpers/label.html", context).strip())


def status_badge(field_name: str, description: str = "") -> Callable[[Any, Any], SafeString | str]:
    """Return a list and detail column that shows a field with choices as a badge."""

    @display(description=description or field_name.replace("_", " "), ordering=field_name)
    def column(_admin: Any, row: Any) -> SafeString | str:
        value = getattr(row, field_name)
        return badge(value, getattr(row, f"get_{field_name}_display")()) if value else NOTHING

    return column


def money_column(amount_field: str, description: str) -> Callable[[Any, Any], str]:
    """Return a column that shows minor units in the row's currency."""

    @display(description=description, ordering=amount_field)
    def column(_admin: Any, row: Any) -> str:
        return str(Money(getattr(row, amount_field), row.currency))

    return column


def capacity_bar(*, firm: int, pending: int, total: int, words: tuple[str, str]) -> SafeString:
    """Return a bar with numbers for the used part of a limited number; `words` name the firm and the pending part, so
    that it can be read without seeing it."""
    whole = max(total, 1)
    return format_html(
        '<span class="seat-bar"><span class="seat-track" role="img" aria-label="{} {}, {} {}, {} left">'
        '<span class="seat-used" style="width: {}%"></span><span class="seat-reserved" style="width: {}%"></span>'
        '</span><span class="seat-bar-text">{} of {}</span></span>',
        firm,
        words[0],
        pending,
        words[1],
        total - firm - pending,
        round(100 * firm / whole),
        round(100 * pending / whole),
        f"{firm + pending:,}",
        f"{total:,}",
    )


def admin_url(row: models.Model) -> str:
    """Return the URL of the row's back-office page; empty if its model has none."""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(row.pk)])
    except NoReverseMatch:
        return ""


@cache
def page_url(model: type[models.Model], page: str) -> str:
    """Return the URL of a model's page that is about no single row: its list, or another one by name. Cached, since the
    sidebar and its tabs ask for some fifty on every page."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


def list_url(model: type[models.Model], **query: object) -> str:
    """Return the URL of a model's list, filtered."""
    url = page_url(model, "changelist")
    pairs = urlencode(query, safe=":")
    return f"{url}?{pairs}" if pairs else url


def name_of(row: models.Model) -> str:
    """Return what staff call the row: whom and what it is about, as its page is headed; its `str` if it has no page."""
    if not admin.site.is_registered(type(row)):
        return str(row)
    page: Any = admin.site.get_model_admin(type(row))
    return str(page.describe(row))


def link(row: models.Model | None, text: object = "") -> SafeString | str:
    """Return the row's name, linked to its page."""
    if row is None:
        return NOTHING
    url = admin_url(row)
    named = text or name_of(row)
    return format_html('<a class="text-link" href="{}">{}</a>', url, named) if url else str(named)


def link_column(path: str, description: str) -> Callable[[Any, Any], SafeString | str]:
    """Return a column that links to the row found along `path` (dots between relations)."""

    @display(description=description, ordering=path.replace(".", "__"))
    def column(_admin: Any, row: Any) -> SafeString | str:
        return link(row_along(row, path))

    column.leads_along = path  # type: ignore[attr-defined]  # where a list looks up the names of its page of rows
    return column


def row_along(row: Any, path: str) -> Any:
    """Return the row found along a path from this one; None where it ends."""
    for name in path.split("."):
        row = getattr(row, name) if row is not None else None
    return row


def json_block(value: Any) -> SafeString | str:
    """Return JSON as readable text; unfold's own rendering requires inline styles per token."""
    if value in (None, {}, [], ""):
        return NOTHING
    return format_html('<pre class="backoffice-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def json_column(field_name: str, description: str = "") -> Callable[[Any, Any], SafeString | str]:
    @display(description=description or field_name.replace("_", " "))
    def column(_admin: Any, row: Any) -> SafeString | str:
        return json_block(getattr(row, field_name))

    return column


def moment(at: dt.datetime | None) -> str:
    """Return a time as staff read it, in their page's zone; it has the time of day only within the current year."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    today = timezone.localtime(utc_now())
    if local.year != today.year:
        return time_words.day(local)
    return f"{local:%b} {local.day}, {time_words.clock(local)} {time_words.zone_label(local)}"


def staff_moment(at: dt.datetime, zone: str) -> str:
    """Return a moment in the zone of the object it belongs to: "Jan 5, 2027, 11:59 PM CST"."""
    return time_words.stamp(at.astimezone(ZoneInfo(zone)))


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One row of a neighbors card."""

    title: object
    url: str = ""
    badge: SafeString | str = ""
    note: str = ""
    at: dt.datetime | None = None
    text: str = ""  # too long for a note: several lines, as they were written

    @property
    def when(self) -> str:
        return moment(self.at)


@dataclass(frozen=True, slots=True)
class Card:
    """A titled list of neighbors next to an object; `more_url` leads to all of them if only the first are shown."""

    title: str
    rows: list[Neighbor] = field(default_factory=list)
    empty: str = "None."
    more_url: str = ""
    wide: bool = False


def neighbor(
    row: models.Model, *, status: str = "", note: object = "", at: dt.datetime | None = None, title: object = ""
) -> Neighbor:
    """Return a card's row for a model instance; `status` names its field with choices."""
    value = getattr(row, status) if status else ""
    label = badge(value, getattr(row, f"get_{status}_display")()) if value else ""
    return Neighbor(title=title or row, url=admin_url(row), badge=label, note=str(note or ""), at=at)


NeighborSource = Callable[[HttpRequest, Any], Card]
_early_sources: dict[type[models.Model], list[NeighborSource]] = defaultdict(list)
_sources: dict[type[models.Model], list[NeighborSource]] = defaultdict(list)
_subjects: dict[str, type[models.Model]] = {}


def neighbors_of(model: type[models.Model], *, early: bool = False) -> Callable[[NeighborSource], NeighborSource]:
    """Register a card for a model's pages. Apps above add theirs to models of apps below. The `early` ones come first:
    the information people need for their decisions."""

    def register(source: NeighborSource) -> NeighborSource:
        (_early_sources if early else _sources)[model].append(source)
        return source

    return register


@dataclass(frozen=True, slots=True)
class Guide:
    """The page to which an empty list sends people who want rows: its name, what it requires, and its URL."""

    label: str
    note: str
    to: Callable[[], str]


_guides: dict[type[models.Model], list[Guide]] = defaultdict(list)


def guides_from(*sources: type[models.Model], guide: Guide) -> None:
    """Link these models' empty lists to a guided page. Apps above add theirs to models of apps below."""
    for model in sources:
        _guides[model].append(guide)


def guides_for(model: type[models.Model]) -> list[Guide]:
    return _guides[model]


def cards_for(request: HttpRequest, row: models.Model) -> list[Card]:
    """Return a row's cards in registration order, the early ones before the others."""
    return [source(request, row) for source in (*_early_sources[type(row)], *_sources[type(row)])]


def register_subject(kind: str, model: type[models.Model]) -> None:
    """Declare which model a text like "payment:12" in events and staff tasks refers to."""
    _subjects[kind] = model


def subject_kinds() -> list[str]:
    """Return the prefixes of such texts."""
    return sorted(_subjects)


def model_of_subject(kind: str) -> type[models.Model] | None:
    return _subjects.get(kind)


def link_subject(text: str, known: Mapping[str, models.Model] | None = None) -> SafeString | str:
    """Return a text like "payment:12", "enrollment:<cuid>", or "learner:3/learner:9" as links with the names of the
    rows, as far as `find_subjects` found them. What else the text contains, like the number of a step, tells staff
    nothing; if all rows are gone, the text is the only trace of them."""
    parts = text.split("/")
    found = [known[part] for part in parts if part in known] if known else []
    links = [link(row) for row in found] or [_part_link(part) for part in parts]
    return links[0] if len(links) == 1 else format_html_join(" / ", "{}", ((each,) for each in links))


def _part_link(text: str) -> SafeString | str:
    kind, _, identifier = text.partition(":")
    model = _subjects.get(kind)
    if model is None:
        return text
    if parse_whole_number(identifier) is not None:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[identifier])
        return format_html('<a class="text-link is-short" href="{}">{}</a>', url, text)
    return format_html('<a class="text-link" href="{}">{}</a>', list_url(model, q=identifier), text)


def subject_column(field_name: str, description: str) -> Callable[[Any, Any], SafeString | str]:
    """Return a column that links to what such a text is about. Its page lists the field in `subject_fields`."""

    @display(description=description, ordering=field_name)
    def column(_admin: Any, row: Any) -> SafeString | str:
        return link_subject(getattr(row, field_name), getattr(row, "subjects", {}))

    return column
