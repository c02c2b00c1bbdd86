"""Every guard of the back office, what is left when it is taken away, and what notices that."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from accounts.models import ApiKey, Learner, Membership, Workspace
from backoffice.exporting.lists import source_name
from backoffice.exporting.sources import source_of
from backoffice.models import AuditEntry, Export
from backoffice.scoping import access_of
from backoffice.tests.staff_client import staff_request
from billing.models import Payment, StripeEvent
from enrollments.models import Enrollment, ProgramInstance

from .matrix import BY_CODE, Caller, Marks, browser, find_leaks, knock, own_ways, pages, user_of, ways_of
from .matrix_of_lists import find_leaks_of_selections, request_of
from .small_demo import MINE, my_row_of

Leaks = Callable[[Marks], list[str]]


@dataclass(frozen=True, slots=True)
class Guard:
    """A piece of a function that keeps somebody out, what stands there without it, and who then gets in."""

    where: str
    guard: str
    without: str
    leaks: Leaks

    def __str__(self) -> str:
        return f"{self.where.partition('.')[2]}: {self.guard}"


def function_at(where: str) -> FunctionType:
    """The function behind a dotted name; below decorators, where it is wrapped in some."""
    module, _, rest = where.partition(":")
    found: Any = importlib.import_module(module)
    for name in rest.split("."):
        found = found.__dict__[name] if isinstance(found, type) else getattr(found, name)
    found = getattr(found, "fget", found)
    return inspect.unwrap(found)


def take_away(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function goes on without the guard, whoever holds it already: routes keep the functions they were made of."""
    function = function_at(guard.where)
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(guard.guard) != 1:
        raise LookupError(f"{guard.where} does not have exactly one {guard.guard!r}")
    monkeypatch.setattr(function, "__code__", _compiled(source.replace(guard.guard, guard.without), function))


def _compiled(source: str, function: FunctionType) -> CodeType:
    """The code of the changed function, with the names that the present one has from around it."""
    inner = ast.parse(source).body[0]
    assert isinstance(inner, ast.FunctionDef)
    inner.decorator_list = []
    around = ast.parse(f"def around({', '.join(function.__code__.co_freevars)}):\n    pass").body[0]
    assert isinstance(around, ast.FunctionDef)
    around.body = [inner]
    module = compile(ast.fix_missing_locations(ast.Module([around], [])), inspect.getfile(function), "exec")
    outer = next(each for each in module.co_consts if isinstance(each, CodeType))
    code = next(each for each in outer.co_consts if isinstance(each, CodeType) and each.co_name == inner.name)
    return code.replace(co_firstlineno=function.__code__.co_firstlineno)


# --- What notices -----------------------------------------------------------------------------------------------------


def at(caller: Caller, route: str) -> Leaks:
    """The row of the matrix."""

    def leaks(known: Marks) -> list[str]:
        models = [page for page in pages() if route.startswith(f"{page.opts.app_label}_{page.opts.model_name}_")]
        ways = [way for way in own_ways() if way.route == route] or [
            way for page in models for way in ways_of(page) if way.route == route
        ]
        if not ways:
            raise LookupError(route)
        return find_leaks(ways, [caller], known)

    return leaks


def selected(caller: Caller, model: Any) -> Leaks:
    return lambda _: find_leaks_of_selections(page_of(model), [caller])


def sees_rows(caller: Caller, model: Any) -> Leaks:
    """Rows that the page finds for somebody who should find none."""
    return lambda _: [str(row) for row in page_of(model).get_queryset(request_of(caller))[:3]]


def shows(caller: Caller, address: Callable[[], str], text: Callable[[], str]) -> Leaks:
    def leaks(_: Marks) -> list[str]:
        told = text()
        _in, _written, page = knock(browser(caller), "GET", address())
        return [told] if told in page else []

    return leaks


def offers(caller: Caller, route: str, field: str, model: Any, path: str) -> Leaks:
    """Rows of ours among the choices of a form."""

    def leaks(_: Marks) -> list[str]:
        context = browser(caller).get(reverse(f"admin:{route}")).context
        form = context["adminform"].form if "adminform" in context else context["form"]
        ours = model._default_manager.filter(**{path: MINE})
        return [str(row) for row in form.fields[field].queryset if row in ours]

    return leaks


def page_of(model: Any) -> Any:
    return admin.site.get_model_admin(model)


def by_code(_: Marks) -> list[str]:
    request = staff_request(user_of(Caller.OWNER))
    request.session["_auth_user_backend"] = BY_CODE
    return ["an emailed code opens the back office"] if access_of(request).powers else []


def left(_: Marks) -> list[str]:
    return ["whoever left has powers"] if access_of(request_of(Caller.LEFT)).powers else []


def pressed_for_many(_: Marks) -> list[str]:
    page = page_of(Enrollment)
    try:
        type(page).approve_selected(page, request_of(Caller.VIEWER), Enrollment.objects.none())
    except PermissionDenied:
        return []
    return ["a viewer presses for many"]


def buttons_shown(caller: Caller, model: Any, *, of_list: bool = False) -> Leaks:
    def leaks(_: Marks) -> list[str]:
        page = page_of(model)
        request = request_of(caller)
        row = my_row_of(page)
        shown = page.get_actions_list(request) if of_list else page.get_actions_detail(request, row.pk)
        return [each.action_name for each in shown]

    return leaks


def inline_powers(name: str) -> Leaks:
    """What somebody who may only look may do with rows on the pages of others."""

    def leaks(_: Marks) -> list[str]:
        request = request_of(Caller.STRANGER if name == "view" else Caller.VIEWER)
        found = []
        for page in (each for each in pages() if each.inlines):
            row = my_row_of(page)
            for inline in (kind(page.model, admin.site) for kind in page.inlines):
                if getattr(inline, f"has_{name}_permission")(request, row):
                    found.append(f"{page.opts.model_name}: {type(inline).__name__}")
        return found

    return leaks


def file_of(caller: Caller, model: Any, *, is_demoted: bool = False) -> Leaks:
    """A file that somebody made while they might, and may not have by now."""

    def leaks(_: Marks) -> list[str]:
        ours = Workspace.objects.get(slug=MINE)
        workspaces = None if not is_demoted else [ours.pk]
        export = Export(source=source_name(model), format="csv", requested_by=user_of(caller))
        export.options = {"query": "", "keys": None, "workspaces": workspaces}
        return ["the file is open"] if source_of(export).is_open_still(export) else []

    return leaks


def filter_by_person(_: Marks) -> list[str]:
    page = page_of(AuditEntry)
    request = request_of(Caller.ELSEWHERE)
    _in, _written, shown = knock(browser(Caller.ELSEWHERE), "GET", reverse("admin:backoffice_auditentry_changelist"))
    members = Membership.objects.filter(workspace__slug=MINE).exclude(
        user__memberships__workspace__slug="harbor-skills"
    )
    assert page.has_view_permission(request)
    return [email for email in members.values_list("user__email", flat=True) if email in shown]


def _audit_log() -> str:
    return reverse("admin:backoffice_auditentry_changelist")


SCOPE = "backoffice.scoping:WorkspaceScopedAdmin"
ACTIONS = "backoffice.actions"
DESK = "enrollments.admin.review"

GUARDS = [
    Guard(
        "accounts.roles:StaffAccess.limit",
        "if self.everywhere:",
        "if True:",
        at(Caller.ELSEWHERE, "accounts_learner_changelist"),
    ),
    Guard(
        "accounts.roles:StaffAccess.may",
        "power in self.powers.get(workspace_id, ())",
        "True",
        at(Caller.VIEWER, "billing_payment_refund"),
    ),
    Guard(
        "accounts.roles:StaffAccess.may_anywhere",
        "any(power in held for held in self.powers.values())",
        "True",
        at(Caller.VIEWER, "accounts_learner_add"),
    ),
    Guard(
        "accounts.roles:StaffAccess.workspace_ids",
        " if power in held",
        "",
        at(Caller.VIEWER, "partners_partnersequence_editor"),
    ),
    Guard("accounts.roles:get_staff_access", "user.is_active and user.is_staff", "True", left),
    Guard(
        "backoffice.site:BackOfficeSite.has_permission",
        " and is_signed_in_by_password(request)",
        "",
        at(Caller.BY_CODE, "index"),
    ),
    Guard("backoffice.scoping:access_of", "if is_signed_in_by_password(request):", "if True:", by_code),
    Guard(
        f"{SCOPE}.get_queryset",
        "self.limit(super().get_queryset(request), request)",
        "super().get_queryset(request)",
        at(Caller.ELSEWHERE, "accounts_learner_changelist"),
    ),
    Guard(
        f"{SCOPE}.limit",
        "access.limit(rows, path=self.workspace_path, power=self.view_power) if self.workspace_path else rows",
        "rows",
        at(Caller.ELSEWHERE, "accounts_learner_changelist"),
    ),
    Guard(f"{SCOPE}.limit", "return rows.none()", "pass", sees_rows(Caller.OWNER, StripeEvent)),
    Guard(
        f"{SCOPE}.may",
        "access.may(power, self.workspace_id_of(row))",
        "access.may_anywhere(power)",
        at(Caller.ASIDE, "billing_payment_refund"),
    ),
    Guard(f"{SCOPE}.may", "return False", "return True", at(Caller.SUPERUSER, "billing_payment_delete")),
    Guard(
        f"{SCOPE}.has_view_permission",
        "self.may(request, self.view_power, obj)",
        "True",
        at(Caller.STRANGER, "billing_payment_changelist"),
    ),
    Guard(
        f"{SCOPE}.has_add_permission",
        "self.may(request, self.add_power)",
        "True",
        at(Caller.VIEWER, "accounts_learner_add"),
    ),
    Guard(
        f"{SCOPE}.has_change_permission",
        "self.may(request, self.change_power, obj)",
        "True",
        at(Caller.VIEWER, "accounts_learner_change"),
    ),
    Guard(
        f"{SCOPE}.has_delete_permission",
        "self.may(request, self.delete_power, obj)",
        "True",
        at(Caller.SUPERUSER, "billing_payment_delete"),
    ),
    Guard(
        f"{SCOPE}.has_module_permission",
        "self.may(request, self.view_power)",
        "True",
        shows(Caller.VIEWER, lambda: reverse("admin:index"), _audit_log),
    ),
    Guard(f"{SCOPE}.get_actions", " if self.may(request, entry[0].power)", "", selected(Caller.VIEWER, Enrollment)),
    Guard(
        f"{SCOPE}.get_actions_detail",
        "self.may(request, action.method.button.power, row) and ",
        "",
        buttons_shown(Caller.VIEWER, Payment),
    ),
    Guard(
        f"{SCOPE}.get_actions_list",
        " if self.may(request, action.method.button.power)",
        "",
        buttons_shown(Caller.VIEWER, Membership, of_list=True),
    ),
    *[
        Guard(
            f"backoffice.scoping:ScopedInline.has_{name}_permission",
            f"self._may(request, self.{name}_power, obj)",
            "True",
            inline_powers(name),
        )
        for name in ("view", "add", "change", "delete")
    ],
    Guard("backoffice.scoping:ScopedInline._may", "owner.may(request, power, parent)", "True", inline_powers("view")),
    Guard(
        "backoffice.scoping:_ScopedChoices.formfield_for_foreignkey",
        'kwargs["queryset"] = related.get_queryset(request)',
        "pass",
        offers(
            Caller.ELSEWHERE,
            "enrollments_programinstance_add",
            "program",
            ProgramInstance._meta.get_field("program").related_model,
            "workspace__slug",
        ),
    ),
    Guard(
        "backoffice.scoping:_ScopedChoices.formfield_for_foreignkey",
        "access_of(request).limit(owners, path=path, power=power)",
        "owners",
        offers(Caller.ASIDE, "accounts_learner_add", "workspace", Workspace, "slug"),
    ),
    Guard(
        "backoffice.scoping:ScopedRelatedFilter.field_choices",
        "related.get_queryset(request)",
        "related.model._default_manager.all()",
        at(Caller.ELSEWHERE, "enrollments_enrollment_changelist"),
    ),
    Guard(
        "backoffice.admin.audit:PersonFilter.lookups",
        'access_of(request).limit(Membership.objects.all(), path="workspace", power=Power.GOVERN)',
        "Membership.objects.all()",
        filter_by_person,
    ),
    Guard(
        "backoffice.admin.staff:UserAdmin.limit",
        'rows.filter(pk__in=colleagues.values("user"))',
        "rows",
        at(Caller.ELSEWHERE, "accounts_user_changelist"),
    ),
    Guard(
        f"{ACTIONS}:StaffForm.offer_workspaces",
        'access_of(self.request).limit(Workspace.objects.order_by("slug"), path="id", power=power)',
        'Workspace.objects.order_by("slug")',
        offers(Caller.ASIDE, "accounts_apikey_create", "workspace", Workspace, "slug"),
    ),
    Guard(
        f"{ACTIONS}:RowButton.find_row",
        "not model_admin.may(request, self.power, row)",
        "False",
        at(Caller.VIEWER, "billing_payment_refund"),
    ),
    Guard(
        f"{ACTIONS}:ListButton.press",
        "not model_admin.may(request, self.power)",
        "False",
        at(Caller.VIEWER, "accounts_apikey_create"),
    ),
    Guard(f"{ACTIONS}:BulkButton.__call__", "not model_admin.may(request, self.power)", "False", pressed_for_many),
    Guard(
        "backoffice.guided:ListLink.press",
        "not model_admin.may(request, self.power)",
        "False",
        at(Caller.VIEWER, "enrollments_program_set_up_program"),
    ),
    Guard(
        "backoffice.guided:find_workspace",
        "not access.may_anywhere(power)",
        "False",
        at(Caller.VIEWER, "enrollments_program_setup"),
    ),
    Guard(
        "backoffice.guided:offered_workspaces",
        'access_of(request).limit(Workspace.objects.order_by("name", "pk"), path="id", power=power)',
        'Workspace.objects.order_by("name", "pk")',
        at(Caller.ELSEWHERE, "enrollments_program_setup"),
    ),
    Guard("backoffice.exporting.lists:ListSource.is_open_still", "held and ", "", file_of(Caller.OWNER, Learner)),
    Guard(
        "backoffice.exporting.lists:ListSource.is_open_still",
        " and page.has_view_permission(request)",
        "",
        file_of(Caller.VIEWER, ApiKey, is_demoted=True),
    ),
    Guard(
        "cohorts.admin.course_setup:_find_model",
        'access_of(request).limit(Cohort.objects.all(), path="instance__workspace", power=Power.MANAGE)',
        "Cohort.objects.all()",
        at(Caller.ELSEWHERE, "cohorts_cohort_course"),
    ),
    Guard(
        "partners.admin.sequence_editor:_find_program",
        'access_of(request).limit(Program.objects.all(), path="workspace", power=Power.MANAGE)',
        "Program.objects.all()",
        at(Caller.ELSEWHERE, "partners_partnersequence_editor"),
    ),
    Guard(
        "partners.admin.field_map_editor:edit_field_map",
        "not model_admin.may(request, POWER, provider)",
        "False",
        at(Caller.ADMIN, "partners_provider_field_map"),
    ),
    Guard(
        "partners.admin.providers:ProviderAdmin.show_pipeline",
        "not self.has_view_permission(request)",
        "False",
        at(Caller.STRANGER, "partners_provider_pipeline"),
    ),
    Guard(
        "enrollments.admin.applications:ApplicationAdmin.download",
        "not self.may(request, Power.DECIDE, application)",
        "False",
        at(Caller.VIEWER, "enrollments_application_file"),
    ),
    Guard(
        f"{DESK}.desk:ReviewDesk.show_desk",
        "not self.may(request, Power.VIEW)",
        "False",
        at(Caller.STRANGER, "enrollments_enrollment_review"),
    ),
    Guard(
        f"{DESK}.answering:Answering.answer",
        "not self.may(request, Power.DECIDE, enrollment)",
        "False",
        at(Caller.VIEWER, "enrollments_enrollment_review_case"),
    ),
    Guard(
        f"{DESK}.answering:Answering.undo",
        "not self.may(request, Power.DECIDE, review.enrollment)",
        "False",
        at(Caller.VIEWER, "enrollments_enrollment_review_undo"),
    ),
    Guard(
        f"{DESK}.answering:Answering.cases",
        "self.get_queryset(request)",
        "Enrollment.objects.all()",
        at(Caller.ELSEWHERE, "enrollments_enrollment_review_case"),
    ),
]
