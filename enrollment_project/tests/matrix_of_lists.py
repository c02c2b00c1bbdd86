"""What lists reveal besides their rows: bulk actions, files, choices, searches, and figures."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Learner
from accounts.roles import Power
from backoffice.actions import BulkButton
from backoffice.exporting.lists import source_name
from backoffice.exporting.sources import source_of
from backoffice.models import Export
from backoffice.scoping import WorkspaceScopedAdmin
from backoffice.tests.staff_client import staff_request
from cohorts.models import Cohort
from enrollment_project.dashboard.figures.all import FINDERS
from enrollments.models import District, Program

from .matrix import FORM, NOT_OURS, OUTSIDE, Caller, Marks, browser, holds, knock, pages, user_of
from .powers import PAGES, SELECTIONS
from .small_demo import MINE, my_row_of, url

STAFF = [caller for caller in Caller if caller not in OUTSIDE]
EXPORTS = {"export_csv", "export_xlsx"}


def selections() -> dict[str, tuple[WorkspaceScopedAdmin, str]]:
    """Return the bulk actions besides exporting, from the classes of the pages."""
    return {
        f"{page.opts.model_name}.{name}": (page, name)
        for page in pages()
        for name in dir(type(page))
        if isinstance(getattr(type(page), name), BulkButton)
    }


def request_of(caller: Caller) -> HttpRequest:
    return staff_request(user_of(caller))


def find_leaks_of_selections(page: WorkspaceScopedAdmin, callers: Iterable[Caller]) -> list[str]:
    """Find who is offered which bulk action, and what happens if others send it anyway."""
    view = PAGES[str(page.opts.model_name)][0]
    own = {
        name.partition(".")[2]: power
        for name, power in SELECTIONS.items()
        if name.partition(".")[0] == page.opts.model_name
    }
    row = my_row_of(page)
    wrong = []
    for caller in callers:
        sees = holds(caller, view, is_ours=False)
        wanted = {name for name, power in own.items() if holds(caller, power, is_ours=False)}
        if caller not in OUTSIDE:
            offered = page.get_actions(request_of(caller)).keys() - EXPORTS
            wrong += [f"{caller} is offered {name}" for name in offered - wanted]
            wrong += [f"{caller} is not offered {name}" for name in wanted - offered]
        client = browser(caller)
        for name in [*own, *EXPORTS]:
            may = sees if name in EXPORTS else name in wanted and holds(caller, own[name], is_ours=True)
            if may:
                continue
            chosen = {"action": name, ACTION_CHECKBOX_NAME: [str(row.pk)], "select_across": "0", "_confirmed": "1"}
            form = {**FORM, **chosen}
            _, written, _ = knock(client, "POST", url(page, "changelist"), form=form, is_drawn=False)
            if written:
                wrong.append(f"{caller} has {name} done: {written}")
    return wrong


def find_leaks_of_exports(page: WorkspaceScopedAdmin, callers: Iterable[Caller]) -> list[str]:
    """Find exported rows that the list would not show, and files of people who may no longer look."""
    view = PAGES[str(page.opts.model_name)][0]
    row = my_row_of(page)
    wrong = []
    for caller in callers:
        export = Export(source=source_name(page.model), format="csv", requested_by=user_of(caller), options={})
        export.options = {"query": "", "keys": None, "workspaces": None}
        source = source_of(export)
        may = holds(caller, view, is_ours=bool(page.workspace_path) or page.model.__name__ == "User")
        if not may and source.rows(export).filter(pk=row.pk).exists():
            wrong.append(f"{caller} is written a row of {page.opts.model_name}")
        if caller is not Caller.SUPERUSER and source.is_open_still(export):
            wrong.append(f"{caller} gets a file of all workspaces")
    return wrong


def find_leaks_of_autocomplete(callers: Iterable[Caller]) -> list[str]:
    """Query every foreign key of every model as form fields do."""
    wrong = []
    fields = {
        field.remote_field.model: (page, field.name)
        for page in pages()
        for field in page.opts.get_fields()
        if field.concrete
        and (field.many_to_one or field.one_to_one)
        and field.remote_field.model in admin.site._registry
    }
    for caller in callers:
        client = browser(caller)
        for model, (page, name) in fields.items():
            related = admin.site.get_model_admin(model)
            query = {"app_label": page.opts.app_label, "model_name": str(page.opts.model_name), "field_name": name}
            answer = client.get(reverse("admin:autocomplete"), query)
            if answer.status_code != 200:
                continue
            told = {result["id"] for result in json.loads(answer.content)["results"]}
            seen = related.get_queryset(request_of(caller)) if caller not in OUTSIDE else model._default_manager.none()
            if caller in OUTSIDE or told - {str(key) for key in seen.values_list("pk", flat=True)}:
                wrong.append(f"{caller} is offered a {model._meta.model_name}")
    return wrong


def find_leaks_of_search(callers: Iterable[Caller], known: Marks) -> list[str]:
    wrong = []
    words = [
        *Learner.objects.filter(workspace__slug=MINE).order_by("pk").values_list("external_id", "cuid")[:2],
        *[(str(model.objects.filter(**{path: MINE}).earliest("pk")),) for model, path in _NAMED],
    ]
    terms = [term for group in words for term in group if term]
    for caller in callers:
        client = browser(caller)
        found = set()
        for term in terms:
            answer = client.get(reverse("admin:search"), {"s": term, "extended": "1"})
            titles = [str(result.title).lower() for result in answer.context["results"]]
            found |= {title for title in titles if title in known.texts or known.found_in(title)}
        if bool(found) != holds(caller, Power.VIEW, is_ours=True):
            wrong.append(f"{caller} finds {sorted(found)[:3]}")
    return wrong


_NAMED: list[tuple[Any, str]] = [
    (Program, "workspace__slug"),
    (District, "workspace__slug"),
    (Cohort, "instance__workspace__slug"),
]


def find_leaks_of_figures(callers: Iterable[Caller], known: Marks) -> list[str]:
    """Request the front page, each figure's file, and the days of money as people outside the workspace."""
    wrong = []
    for caller in callers:
        if caller not in NOT_OURS:
            continue
        client = browser(caller)
        addresses = [
            reverse("admin:index"),
            reverse("money-days"),
            *[reverse("figure-file", args=[name]) for names in FINDERS for name in names],
        ]
        for address in addresses:
            is_in, _, page = knock(client, "GET", address)
            if (is_in and caller in OUTSIDE) or known.found_in(page):
                wrong.append(f"{caller} GET {address}: {known.found_in(page)[:3]}")
    return wrong
