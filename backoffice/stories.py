"""What happened around an object, newest first, in one list: apps tell their part of it without knowing the others.

An anchor is a model that things happen to: a learner, an enrollment, a payment. A chapter says which rows tell of some
anchors and how; a thread leads from the object of a page to its anchors. Every chapter is one query, whatever it finds.
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
    """One line of a story; `by` is an actor as the trail keeps it."""

    title: object
    icon: str
    badge: SafeString | str = ""
    note: str = ""
    by: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A happening with its time, and whoever did it by name."""

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
    """`rows(ids)` tell of the anchors with these ids, each at its field `at`, in the words of `tell`."""

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
    """Let rows tell of these anchors. `tell` asks the database nothing: `rows` bring what it needs."""
    _chapters[anchor].append(Chapter(rows, at, tell))


def register_thread(model: type[Model], anchor: type[Model], find: Thread) -> None:
    """Let the pages of a model tell the story of the anchors that `find(row)` names by their ids."""
    _threads[model].append((anchor, find))


def tell_story(request: HttpRequest, row: Model, access: StaffAccess) -> Story | None:
    """A page of what happened around the row; None where nothing is told of its kind."""
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
    """Where in the story the address leads: to what happened by a time, without so many that were seen."""
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
    """What happened at one moment may be parted by the end of a page: as many as were seen of it are left out."""
    last = lines[-1].at
    seen = sum(line.at == last for line in lines)
    query = {BEFORE: last.isoformat(), SKIP: seen + (skip if last == before else 0)}
    return f"?{urlencode(query)}#story"
