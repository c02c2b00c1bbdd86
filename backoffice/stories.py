"""What happened around an object, newest first, in one list: apps contribute their part without knowing the others.

An anchor is a model that things happen to: a learner, an enrollment, a payment. A chapter says which rows tell about
some anchors and how; a thread leads from a page's object to its anchors. Every chapter is one query, whatever it finds.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from accounts.roles import StaffAccess
from core.numbers import parse_whole_number

from .actors import name_actors
from .display import moment

SHOWN = 15
ANCHORS_AT_MOST = 100
SKIPPED_AT_MOST = 1_000
BEFORE = "before"
SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a story; `by` is an actor as stored in the trail."""

    title: object
    icon: str
    badge: SafeString | str = ""
    note: str = ""
    by: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A happening with its time and the actor's name."""

    happening: Happening
    at: dt.datetime
    by: str

    @property
    def when(self) -> str:
        return moment(self.at)


@dataclass(frozen=True, slots=True)
class Story:
    """A page of a story; `older_url` leads to what came before it, empty at the beginning."""

    lines: list[Line] = field(default_factory=list)
    older_url: str = ""
    is_latest: bool = True


@dataclass(frozen=True, slots=True)
class Chapter:
    """`rows(ids)` tell about the anchors with these ids, each in its field `at`; `tell` puts them into words."""

    rows: Callable[[Sequence[int]], QuerySet[Any]]
    at: str
    tell: Callable[[Any], Happening]

    def read(self, ids: Sequence[int], *, before: dt.datetime | None, count: int) -> list[tuple[dt.datetime, Any]]:
        known = {f"{self.at}__isnull": False} if before is None else {f"{self.at}__lte": before}
        rows = self.rows(ids).filter(**known).order_by(f"-{self.at}", "-pk")[:count]
        return [(getattr(row, self.at), row) for row in rows]


Thread = Callable[[Any], Iterable[int | None]]
_chapters: dict[type[Model], list[Chapter]] = defaultdict(list)
_threads: dict[type[Model], list[tuple[type[Model], Thread]]] = defaultdict(list)


def register_chapter(
    anchor: type[Model], rows: Callable[[Sequence[int]], QuerySet[Any]], *, at: str, tell: Callable[[Any], Happening]
) -> None:
    """Register a chapter about these anchors. `tell` makes no queries: `rows` bring what it needs."""
    _chapters[anchor].append(Chapter(rows, at, tell))


def register_thread(model: type[Model], anchor: type[Model], find: Thread) -> None:
    """Make a model's pages tell the story of the anchors whose ids `find(row)` returns."""
    _threads[model].append((anchor, find))


def tell_story(request: HttpRequest, row: Model, access: StaffAccess) -> Story | None:
    """Return a page of what happened around the row; None if there are no stories about its kind."""
    threads = _threads[type(row)]
    if not threads:
        return None
    before, skip = _place_of(request)
    ids: dict[type[Model], list[int]] = defaultdict(list)
    for anchor, find in threads:
        ids[anchor] += [key for key in find(row) if key is not None and key not in ids[anchor]]
    told = [
        (at, found, chapter)
        for anchor, keys in ids.items()
        if keys
        for chapter in _chapters[anchor]
        for at, found in chapter.read(keys[:ANCHORS_AT_MOST], before=before, count=SHOWN + skip + 1)
    ]
    told.sort(key=lambda each: each[0], reverse=True)
    shown = [(at, chapter.tell(found)) for at, found, chapter in told[skip : skip + SHOWN]]
    names = name_actors(access, {happening.by for _, happening in shown if happening.by})
    lines = [Line(happening, at, names.get(happening.by, "")) for at, happening in shown]
    has_more = len(told) > skip + SHOWN
    return Story(lines, _older(lines, before, skip) if has_more else "", is_latest=before is None)


def _place_of(request: HttpRequest) -> tuple[dt.datetime | None, int]:
    """Return the position the URL leads to: events up to a time, skipping as many as were already shown."""
    text = request.GET.get(BEFORE, "")
    if not text:
        return None, 0
    skip = parse_whole_number(request.GET.get(SKIP, "0"), highest=SKIPPED_AT_MOST)
    try:
        before = parse_datetime(text)
    except ValueError:
        before = None
    if before is None or before.tzinfo is None or skip is None or not dt.MINYEAR < before.year < dt.MAXYEAR:
        raise BadRequest("There is no such place in the history. Go back to the page and follow its link.")
    return before, skip


def _older(lines: list[Line], before: dt.datetime | None, skip: int) -> str:
    """Return the link to older events. It skips as many events of the page's last moment as were already shown."""
    last = lines[-1].at
    seen = sum(line.at == last for line in lines)
    query = {BEFORE: last.isoformat(), SKIP: seen + (skip if last == before else 0)}
    return f"?{urlencode(query)}#story"
