"""The audit log, for owners: they read, filter, and export it like any list, and nobody changes it."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import BigIntegerField, Case, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Cast, Substr
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.models import Membership, User
from accounts.roles import Power

from ..display import NOTHING
from ..models import AuditEntry
from ..scoping import FILTER_CAP, ScopedRelatedFilter, WorkspaceScopedAdmin, access_of


class PersonFilter(admin.SimpleListFilter):
    """Filters by who did it; offers the current colleagues. For a former colleague, search for the number."""

    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        mine = access_of(request).limit(Membership.objects.all(), path="workspace", power=Power.GOVERN)
        people = User.objects.filter(pk__in=mine.values("user")).order_by("email")
        return [(str(user.pk), user.email) for user in people[:FILTER_CAP]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(actor=f"user:{self.value()}") if self.value() else queryset


class KindFilter(admin.SimpleListFilter):
    """Filters by the kind of object."""

    title = "kind of row"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = [(model._meta.label_lower, name_of_kind(model._meta.label_lower)) for model in admin.site._registry]
        return sorted(kinds, key=lambda kind: kind[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(model=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(WorkspaceScopedAdmin):
    view_power = Power.GOVERN
    list_display = ("at", "who", "action", "about", "what", "reason", "workspace")
    list_filter = (PersonFilter, KindFilter, ("workspace", ScopedRelatedFilter), "at")
    list_select_related = ("workspace",)
    search_fields = ("=object_id", "=request_id", "=actor")
    date_hierarchy = "at"
    search_help_text = "Row number, request id, or a person such as user:7"
    fieldsets = (
        (None, {"fields": (("at", "who"), ("action", "about"), ("reason", "workspace"))}),
        ("Changes", {"fields": ("changed", "request_id")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        number = Case(
            When(
                Exact(Substr(OuterRef("actor"), 1, len("user:")), "user:"),
                then=Cast(Substr(OuterRef("actor"), len("user:") + 1), BigIntegerField()),
            )
        )
        email = User.objects.filter(pk=number).values("email")
        entries: QuerySet[Any] = super().get_queryset(request).annotate(email=Subquery(email[:1]))
        return entries

    def describe(self, row: Any) -> str:
        return f"{row.action}, by {self.who(row)}"

    @display(description="who", ordering="actor")
    def who(self, entry: Any) -> str:
        return str(entry.email or entry.actor)

    @display(description="about")
    def about(self, entry: AuditEntry) -> SafeString | str:
        text = f"{name_of_kind(entry.model)} {entry.object_id}".strip()
        try:
            address = reverse(f"admin:{entry.model.replace('.', '_')}_change", args=[entry.object_id])
        except NoReverseMatch:
            return text
        return format_html('<a class="text-link" href="{}">{}</a>', address, text)

    @display(description="changed")
    def what(self, entry: AuditEntry) -> str:
        return ", ".join(name.removesuffix("_id").replace("_", " ") for name in entry.changes) or NOTHING

    @display(description="before and after")
    def changed(self, entry: AuditEntry) -> SafeString | str:
        if not entry.changes:
            return NOTHING
        lines = (
            (
                name.removesuffix("_id").replace("_", " "),
                "changed; values not kept" if pair is None else f"{_shown(pair[0])} → {_shown(pair[1])}",
            )
            for name, pair in sorted(entry.changes.items())
        )
        return format_html(
            '<ul class="backoffice-selected" tabindex="0" aria-label="Before and after">{}</ul>',
            format_html_join("", "<li>{}: {}</li>", lines),
        )


def name_of_kind(label: str) -> str:
    try:
        return str(apps.get_model(label)._meta.verbose_name).capitalize()
    except LookupError:  # a model that no longer exists
        return label


def _shown(value: Any) -> str:
    return NOTHING if value in (None, "") else str(value)
