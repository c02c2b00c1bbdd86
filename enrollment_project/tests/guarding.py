"""What a guard is, how it is removed, and which test notices."""

import ast
import functools
import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages.api import MessageFailure
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from accounts.models import Membership, Workspace
from backoffice.exporting.lists import source_name
from backoffice.exporting.sources import source_of
from backoffice.models import AuditEntry, Export
from backoffice.scoping import access_of
from backoffice.tests.staff_client import staff_request
from enrollments.models import Enrollment

from .matrix import BY_CODE, Caller, Marks, Way, browser, find_leaks, knock, own_ways, pages, user_of, ways_of
from .matrix_of_lists import request_of
from .small_demo import MINE, my_row_of

Leaks = Callable[[Marks], list[str]]


@dataclass(frozen=True, slots=True)
class Guard:
    """A piece of a function that keeps somebody out, the code that replaces it, and who then gets in."""

    where: str
    guard: str
    without: str
    leaks: Leaks

    def __str__(self) -> str:
        return f"{self.where.partition('.')[2]}: {self.guard}"


def function_at(where: str) -> FunctionType:
    """Return the function behind a dotted name, unwrapped from its decorators."""
    module, _, rest = where.partition(":")
    found: Any = importlib.import_module(module)
    for name in rest.split("."):
        found = found.__dict__[name] if isinstance(found, type) else getattr(found, name)
    found = getattr(found, "fget", found)
    return inspect.unwrap(found)


def take_away(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the function without the guard, for everybody who already holds it: routes keep the functions they got."""
    function = function_at(guard.where)
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(guard.guard) != 1:
        raise LookupError(f"{guard.where} does not have exactly one {guard.guard!r}")
    monkeypatch.setattr(function, "__code__", _compiled(source.replace(guard.guard, guard.without), function))


def _compiled(source: str, function: FunctionType) -> CodeType:
    """Compile the changed function, with the names of the present one's surroundings."""
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


# --- Detecting a removed guard ----------------------------------------------------------------------------------------


@functools.cache
def ways_beside(_: Marks) -> list[Way]:
    """Return the same value as long as the rows are the ones the marks were taken of."""
    return own_ways()


@functools.cache
def at(caller: Caller, route: str) -> Leaks:
    """Return the matrix row; one is shared by all guards it is next to."""

    def leaks(known: Marks) -> list[str]:
        models = [page for page in pages() if route.startswith(f"{page.opts.app_label}_{page.opts.model_name}_")]
        ways = [way for page in models for way in ways_of(page) if way.route == route] or [
            way for way in ways_beside(known) if way.route == route
        ]
        if not ways:
            raise LookupError(route)
        return find_leaks(ways, [caller], known)

    return leaks


def told(found: Callable[[], Any]) -> Leaks:
    """Return what somebody finds who should find nothing, or whether somebody is allowed who should not be."""

    def leaks(_: Marks) -> list[str]:
        answer = found()
        return [str(answer)] if answer else []

    return leaks


def is_let(does: Callable[[], Any]) -> Leaks:
    """Return whether somebody can do what they should be refused."""

    def leaks(_: Marks) -> list[str]:
        try:
            does()
        except PermissionDenied:
            return []
        except MessageFailure:  # the request has no page to report what was done
            pass
        return ["let"]

    return leaks


def sees_rows(caller: Caller, model: Any) -> Leaks:
    """Return the rows that the page finds for somebody who should find none."""
    return lambda _: [str(row) for row in page_of(model).get_queryset(request_of(caller))[:3]]


def offers(caller: Caller, route: str, field: str, model: Any, path: str) -> Leaks:
    """Return our rows among the choices of a form."""

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
    """Return what a viewer may do with rows embedded in the pages of other models."""

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
    """Return a file that somebody created while they were allowed to, and may no longer have."""

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
