"""Every admin page shows, links, offers, and changes only what belongs to the workspaces of the person viewing it."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Page, Paginator
from django.db import DataError, IntegrityError, ProgrammingError, models, transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.dataclasses import UnfoldAction
from unfold.views import ChangeList

from accounts.models import User
from accounts.passwords import has_passed_second_factor, is_signed_in_by_password
from accounts.roles import NOBODY, Power, StaffAccess, get_staff_access
from core.actors import Actor
from core.errors import DomainError
from core.forms import WholeNumberField, check_texts, highest_in
from core.numbers import parse_whole_number
from core.rows import lock_rows

from .actors import name_actors
from .auditing.pages import AuditedAdmin
from .display import cards_for, guides_for
from .naming import NamesRows
from .queues import QueueFilter, filtered_queues
from .reading import ListFromReplica
from .saved_lists import KeptFilter, find_kept, offer_filters, settings_url
from .searching import FoundThroughOthers
from .seen import refuse_overtaken, tell_seen
from .stories import tell_story

COUNT_CAP = 10_000
FILTER_CAP = 200
OF_ANOTHER = "This belongs to another workspace."


def access_of(request: HttpRequest) -> StaffAccess:
    """Return the requester's access, looked up once per request; a session opened by an emailed code has none."""
    known = getattr(request, "staff_access", None)
    if known is None:
        known = NOBODY
        if is_signed_in_by_password(request):
            known = get_staff_access(request.user, has_second_factor=has_passed_second_factor(request))
        request.staff_access = known  # type: ignore[attr-defined]
    return cast(StaffAccess, known)


def staff_of(request: HttpRequest) -> User:
    """Return who is signed in; the admin site lets nobody else in."""
    return cast(User, request.user)


def actor_of(request: HttpRequest) -> Actor:
    return Actor("user", request.user.pk)


class CappedPaginator(Paginator):
    """Counts no further than COUNT_CAP: a list of millions of rows costs no more than one of ten thousand."""

    @cached_property
    def count(self) -> int:
        rows = cast(models.QuerySet[Any], self.object_list)
        return rows.order_by()[:COUNT_CAP].count()

    def page(self, number: int | str) -> Page:
        """Return a page. If the list is ordered by another table's column, fetch the page's keys first, then their
        rows: the database sorts keys alone ten times as fast as with everything the columns show."""
        page = super().page(number)
        rows = cast(models.QuerySet[Any], self.object_list)
        if any("__" in str(by) for by in rows.query.order_by):
            keys = cast(models.QuerySet[Any], page.object_list).select_related(None).values_list("pk", flat=True)
            page.object_list = rows.filter(pk__in=list(keys))
        return page


class ScopedRelatedFilter(RelatedDropdownFilter):
    """A foreign-key filter that offers only rows the person may see; hidden when there is no choice."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: admin.ModelAdmin) -> Any:
        related = cast(WorkspaceScopedAdmin, model_admin.admin_site.get_model_admin(field.remote_field.model))
        rows = related.get_queryset(request)
        if needed := cast(tuple[str, ...], related.list_select_related):
            rows = rows.select_related(*needed)
        offered = list(rows[:FILTER_CAP])
        related.look_up(request, offered)
        return [(str(row.pk), related.describe(row)) for row in offered]


class TolerantChangeList(ChangeList):
    """Treats a filter value that only its query turns out to be impossible as a wrong URL.

    Django's list does so for some of the errors it finds itself. A year that no calendar has, a number that no column
    holds, a range without an end, or a text that the database refuses shows up only when rows are counted.
    """

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> models.QuerySet[Any]:
        with _as_a_wrong_address(request):
            return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        with _as_a_wrong_address(request):
            super().get_results(request)
            self.result_list = list(self.result_list)
        cast(WorkspaceScopedAdmin, self.model_admin).look_up(request, self.result_list)
        self.kept_filters: list[KeptFilter] = offer_filters(request, self.model, access_of(request))
        self.settings_url = f"{settings_url(self.model)}?{urlencode({'query': request.GET.urlencode()})}"
        if self.date_hierarchy and (self.query or self._is_long()):
            self.date_hierarchy = None  # offering the existing months would read all of these rows twice more
        if not (self.has_active_filters or self.query):
            # otherwise every list would offer to show everything, although it already does
            self.full_result_count = self.result_count

    def _is_long(self) -> bool:
        """Return whether the list reaches COUNT_CAP, or would without its filters: to find the months of a few filtered
        rows, the database reads all the others too."""
        if self.result_count >= COUNT_CAP or not self.has_active_filters:
            return self.result_count >= COUNT_CAP
        return self.root_queryset.order_by()[:COUNT_CAP].count() >= COUNT_CAP


@contextlib.contextmanager
def _as_a_wrong_address(request: HttpRequest) -> Iterator[None]:
    """Blame the URL if it may be at fault. A database that is busy or gone is another matter."""
    try:
        yield
    except (ValueError, TypeError, ArithmeticError, LookupError, DataError, ProgrammingError) as error:
        if not request.GET:
            raise
        raise IncorrectLookupParameters(error) from error


class WorkspaceModelForm(forms.ModelForm):
    """Checks what Django leaves to the database for fields that are not on the form: values unique in the workspace,
    and references within the same workspace. Refuses to undo what others changed since the form was opened."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        refuse_overtaken(self)
        own = cleaned.get("workspace") or getattr(self.instance, "workspace", None)
        for name, value in list(cleaned.items()):
            elsewhere = getattr(value, "workspace_id", None)
            if own is not None and elsewhere is not None and elsewhere != own.pk:
                self.add_error(name, OF_ANOTHER)
        return cleaned

    @property
    def seen(self) -> str:
        """Return what the page tells about itself when it is sent back; nothing for a new row."""
        return tell_seen(self) if self.instance.pk else ""

    def _post_clean(self) -> None:
        """Check the constraints that involve a field which is not on the form: Django skips those."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            self.instance.validate_constraints()
        except ValidationError as error:
            self.add_error(None, [fault for faults in error.error_dict.values() for fault in faults])


class ScopedChoices(admin.options.BaseModelAdmin):
    """Foreign keys on forms offer, and accept, only rows the person may see; whole numbers follow the usual rule, up to
    what their column holds."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, models.IntegerField) and not db_field.choices:
            kwargs |= {"form_class": WholeNumberField, "min_value": 0, "max_value": highest_in(db_field)}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if isinstance(related, WorkspaceScopedAdmin) and "queryset" not in kwargs:
            kwargs["queryset"] = related.get_queryset(request)
        if isinstance(self, WorkspaceScopedAdmin) and db_field.name == self.owner_field:
            owners = db_field.remote_field.model._default_manager.all()
            path = self.workspace_path.partition("__")[2] or "id"
            power = self.add_power or Power.OPERATE
            kwargs["queryset"] = access_of(request).limit(owners, path=path, power=power)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class WorkspaceScopedAdmin(ListFromReplica, ScopedChoices, NamesRows, FoundThroughOthers, AuditedAdmin):
    """The base of every admin here.

    `workspace_path` leads from the model to its workspace. Each `*_power` is the power required in that workspace; None
    means nobody has it, not even a superuser: such rows come from use cases only.
    """

    workspace_path = "workspace"
    view_power: Power = Power.VIEW
    add_power: Power | None = None
    change_power: Power | None = None
    delete_power: Power | None = None

    actor_fields: ClassVar[tuple[str, ...]] = ()  # those that say who did something (`backoffice/actors.py`)
    hidden_at_first: ClassVar[frozenset[str]] = frozenset()  # columns of the list that people have to choose
    ordering: ClassVar[Any] = ("-id",)  # the newest first, in lists, choices, and searches
    form: type[forms.ModelForm] = WorkspaceModelForm
    paginator = CappedPaginator
    show_full_result_count = False
    list_before_template = "admin/saved_lists.html"
    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    warn_unsaved_form = True
    show_facets = admin.ShowFacets.NEVER
    change_form_outer_after_template = "admin/neighbors.html"

    # --- scope ---------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return self.limit(super().get_queryset(request), request)

    def limit(self, rows: models.QuerySet[Any], request: HttpRequest) -> models.QuerySet[Any]:
        """Return the rows this person may see."""
        access = access_of(request)
        if self.view_power == Power.OPERATE and not access.everywhere:
            return rows.none()
        return access.limit(rows, path=self.workspace_path, power=self.view_power) if self.workspace_path else rows

    def workspace_id_of(self, row: Any) -> int | None:
        """Return the workspace a row belongs to; None for rows of the platform as a whole."""
        if not self.workspace_path:
            return None
        *relations, last = self.workspace_path.split("__")
        for name in relations:
            row = getattr(row, name)
        return cast(int | None, getattr(row, last if last == "id" else f"{last}_id"))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row behind a URL. Django reads 1_2 and all scripts' digits as 12: one row would have many URLs."""
        return super().get_object(request, object_id, from_field) if parse_whole_number(object_id) else None

    def get_visible(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row behind a URL, or None if it does not exist for this person."""
        return self.get_object(request, unquote(str(object_id)))

    def look_up(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Load what the columns and descriptions of these rows need, with a constant number of queries."""
        self.prepare(rows)
        self.prepare_linked(rows)
        if self.actor_fields:
            actors = {getattr(row, name) for row in rows for name in self.actor_fields}
            names = name_actors(access_of(request), actors - {""})
            for row in rows:
                row.actor_names = names

    def exported_totals(self, rows: models.QuerySet[Any]) -> list[dict[str, str]]:
        """Return rows below an export's rows, by column name; most lists have no totals."""
        return []

    def tell_latest_change(self, row: Any) -> str:
        """Return who changed the row last, for somebody whose button came too late; empty where that is not stored."""
        return ""

    @property
    def owner_field(self) -> str:
        """Return the field through which a row belongs to its workspace; adding rows requires `add_power` there."""
        return self.workspace_path.partition("__")[0]

    # --- permissions -----------------------------------------------------------------------------------------------

    def may(self, request: HttpRequest, power: Power | None, row: Any = None) -> bool:
        """Return whether this person has the power over this row (without a row: over any)."""
        if power is None:
            return False
        access = access_of(request)
        if row is None or row.pk is None:
            return access.may_anywhere(power)
        return access.may(power, self.workspace_id_of(row))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.view_power, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.add_power)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.change_power, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, self.delete_power, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.view_power)

    @property
    def guides(self) -> list[tuple[str, str, str]]:
        """Return the pages that set up what this list lacks: label, note, and URL."""
        return [(guide.label, guide.note, guide.to()) for guide in guides_for(self.model)]

    # --- lists -------------------------------------------------------------------------------------------------------

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Add a filter for rows that wait for a person, if the list has any."""
        filters = super().get_list_filter(request)
        return (QueueFilter, *filters) if filtered_queues(self.model) else filters

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TolerantChangeList

    # --- actions -----------------------------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the bulk actions this person may take anywhere. Django's own bulk delete is never among them."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return {name: entry for name, entry in actions.items() if self.may(request, entry[0].power)}

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Drop selected values that are not keys: Django looks them up as sent, and fails."""
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(key)
        except ValidationError as error:
            raise BadRequest(
                "The selection arrived incomplete or altered. Reload the list and choose again."
            ) from error
        return super().response_action(request, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """Return the buttons this person may press on this row in its current state."""
        row = self.get_visible(request, object_id)
        if row is None:
            return []
        return [
            action
            for action in self._get_base_actions_detail()
            if self.may(request, action.method.button.power, row) and action.method.button.possible(row)
        ]

    def get_actions_list(self, request: HttpRequest) -> list[UnfoldAction]:
        return [action for action in self._get_base_actions_list() if self.may(request, action.method.button.power)]

    def response_to_list(self, request: HttpRequest, sentence: str) -> HttpResponseRedirect:
        """Return to the list with a message: for actions after which the row is gone."""
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    # --- pages -------------------------------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns that the person has chosen or, before that, those that fit on a small screen."""
        kept = find_kept(request, self.model, access_of(request))
        return kept.shown(self.every_column(request), hidden_at_first=self.hidden_at_first)

    def every_column(self, request: HttpRequest) -> list[Any]:
        """Leave out the workspace for people who see only one."""
        access = access_of(request)
        columns = list(super().get_list_display(request))
        is_single = not access.everywhere and len(access.powers) == 1
        return [column for column in columns if not (is_single and column == "workspace")]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Make the workspace read-only: a row never moves to another one."""
        fields = list(super().get_readonly_fields(request, obj))
        return [*fields, self.owner_field] if obj is not None and self.owner_field not in fields else fields

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_inlines(request, obj), *_inlines[self.model]]

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Guard against two things Django ignores: tampered hidden fields, and changes that others save meanwhile."""
        self._refuse_made_up_choices(request)
        is_saved = request.method == "POST"
        try:
            with transaction.atomic() if is_saved else contextlib.nullcontext():
                if is_saved:
                    self.lock_before_saving(request, parse_whole_number(unquote(object_id or "")))
                return super().changeform_view(request, object_id, *args, **kwargs)
        except ValidationError as error:
            raise BadRequest("The form arrived incomplete or altered. Reload the page and try again.") from error
        except IntegrityError:
            told = "Nothing was saved, because somebody else saved a conflicting change. Look at the row again."
            messages.error(request, told)
            return HttpResponseRedirect(request.get_full_path())
        except DomainError as refusal:
            messages.error(request, refusal.detail)
            return HttpResponseRedirect(request.get_full_path())

    def lock_before_saving(self, request: HttpRequest, pk: int | None) -> None:
        """Lock the row before Django reads it, because Django writes all its columns back, those that are not on the
        form too; `pk` is None for a new one. Override it where rows have to be locked before."""
        if pk is not None:
            lock_rows(self.model, pk)

    def _refuse_made_up_choices(self, request: HttpRequest) -> None:
        """Refuse made-up choices. The value of a searchable choice is a row's number and can't be typed; Django would
        look up anything else to show it again, and fail."""
        searched = {name for page in (self, *self.get_inlines(request)) for name in page.autocomplete_fields}
        for name, values in request.POST.lists():
            made_up = any(value and parse_whole_number(value) is None for value in values)
            if made_up and name.rpartition("-")[2] in searched:
                raise BadRequest("The form arrived incomplete or altered. Reload the page and try again.")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = dict(super().get_changeform_initial_data(request))
        access = access_of(request)
        held = access.workspace_ids(self.add_power) if self.add_power and not access.everywhere else []
        return {"workspace": held[0], **initial} if len(held) == 1 else initial

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row = context.get("original")
        if row is not None:
            self.look_up(request, [row])
            context["subtitle"] = self.describe(row)
            context["neighbor_cards"] = cards_for(request, row)
            context["story"] = tell_story(request, row, access_of(request))
        return super().render_change_form(request, context, *args, **kwargs)


_inlines: dict[type[models.Model], list[type[TabularInline]]] = defaultdict(list)


def inline_of(model: type[models.Model]) -> Callable[[type[TabularInline]], type[TabularInline]]:
    """Put rows (`inlines.py`) on a model's pages. Apps above add theirs to models of apps below."""

    def register(inline: type[TabularInline]) -> type[TabularInline]:
        _inlines[model].append(inline)
        return inline

    return register
