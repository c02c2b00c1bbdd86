"""Finds rows by the people and things they are about: a payment by its learner, a refund by its payment."""

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.db import models
from django.http import HttpRequest

from core.numbers import parse_whole_number

FOUND_AT_MOST = 200  # of each kind: a search that matches more people is too vague, and needs more letters


class FoundThroughOthers(admin.ModelAdmin):
    """`search_through` names relations: whatever their own lists find by the words finds the rows that point to it.

    Related rows are looked up first, in separate queries. A join with their tables, combined with conditions on the
    row's own columns, would leave the database no index to start from.
    """

    search_through: ClassVar[tuple[str, ...]] = ()

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Return at least one field even if rows are found through others: a list without fields shows no search."""
        return super().get_search_fields(request) or self.search_through

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        rows = queryset.none()
        has_duplicates = False
        if self.search_fields:
            rows, has_duplicates = super().get_search_results(request, queryset, search_term)
        for condition in self.find_by_others(request, term):
            rows = rows | queryset.filter(condition)
        return rows, has_duplicates

    def find_by_others(self, request: HttpRequest, term: str) -> list[models.Q]:
        """Return conditions beyond `search_fields`, each of which finds a row by the words typed."""
        if not self.search_through:
            return []
        found = [
            models.Q((f"{path}__in", keys))
            for path in self.search_through
            if (keys := find_keys(self.admin_site, request, _model_at(self.model, path), term))
        ]
        number = parse_whole_number(term)
        return found if number is None else [*found, models.Q(pk=number)]


def find_keys(site: admin.AdminSite, request: HttpRequest, model: type[models.Model], term: str) -> list[Any]:
    """Return the keys of the newest rows that the model's own list finds, among those this person may see; looked up
    once per request, since several lists are searched through the same people."""
    known: dict[Any, list[Any]] | None = getattr(request, "found_keys", None)
    if known is None:
        known = request.found_keys = {}  # type: ignore[attr-defined]
    if (model, term) not in known:
        page = site.get_model_admin(model)
        rows, _ = page.get_search_results(request, page.get_queryset(request), term)
        newest = rows.order_by("-pk").values_list("pk", flat=True)
        known[model, term] = list(dict.fromkeys(newest[:FOUND_AT_MOST]))
    return known[model, term]


def _model_at(model: type[models.Model], path: str) -> type[models.Model]:
    relation = get_fields_from_path(model, path)[-1]
    return cast(type[models.Model], relation.related_model)
