"""Who can open what: every route of the back office as every kind of caller, generated from the existing routes.

The code that finds leaks is a function here, so that the guards' tests can run it again with a guard removed.
"""

import contextlib
import datetime as dt
import functools
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import connection
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.models import Learner, Membership, User, Workspace
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.roles import POWERS, Power
from accounts.states import Role
from accounts.tests.factories import StaffFactory, UserFactory
from backoffice.scoping import WorkspaceScopedAdmin
from cohorts.models import Cohort
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.network import NetworkInsideTransaction
from enrollments.allocations.what_if import ask_what_if
from enrollments.models import (
    Application,
    ApplicationFile,
    ApplicationQuestion,
    Enrollment,
    HeldReview,
    Program,
    ProgramInstance,
    WhatIf,
)
from enrollments.queries import awaiting_review
from enrollments.review.held import hold_review
from enrollments.states import EligibilityStatus
from tests.contracts.routes import routes

from .powers import BUTTONS, DOORS, OWN_PAGES, PAGES, SITE_PAGES
from .small_demo import MINE, OTHERS, my_row_of, person

BY_CODE = "allauth.account.auth_backends.AuthenticationBackend"
PREFIX = "admin/"


class Caller(StrEnum):
    """Every kind of caller. The roles are held in the workspace that every row of the matrix is about."""

    VISITOR = "visitor"
    FAMILY = "family"
    BY_CODE = "bycode"  # the owner, in a session opened by an emailed code
    LEFT = "left"  # a former member of the staff
    STRANGER = "stranger"
    ELSEWHERE = "elsewhere"  # owns another workspace
    ASIDE = "aside"  # owns another workspace, and may only view this one
    VIEWER = "viewer"
    REVIEWER = "reviewer"
    FINANCE = "finance"
    ADMIN = "admin"
    OWNER = "owner"
    SUPERUSER = "superuser"


OUTSIDE = (Caller.VISITOR, Caller.FAMILY, Caller.BY_CODE, Caller.LEFT)
NOT_OURS = (*OUTSIDE, Caller.STRANGER, Caller.ELSEWHERE)
# Callers whose pages are not rendered: a viewer, an owner, and a superuser open the same pages, with the fewest and the
# most rights.
LIKE_ANOTHER = (Caller.ASIDE, Caller.REVIEWER, Caller.FINANCE, Caller.ADMIN)
ANYBODY = "anybody"  # any member of the staff
Needed = Power | str | None  # a power, ANYBODY, or None for what nobody can do


@dataclass(frozen=True, slots=True)
class Way:
    """An address, the powers to open it and to send something there, and whether it names one of our rows."""

    route: str
    address: str
    opens: Needed
    sends: Needed
    is_ours: bool

    def lets(self, caller: Caller, method: str) -> bool:
        return holds(caller, self.opens if method == "GET" else self.sends, is_ours=self.is_ours)


def holds(caller: Caller, needed: Needed, *, is_ours: bool) -> bool:
    """Return whether somebody should get in. An address that names no row requires the power in any workspace."""
    if needed is None or caller in OUTSIDE:
        return False
    if needed == ANYBODY or caller is Caller.SUPERUSER:
        return True
    if caller is Caller.STRANGER:
        return False
    if caller in (Caller.ELSEWHERE, Caller.ASIDE):
        held: set[Power] = set() if is_ours else set(POWERS[Role.OWNER])
        return needed in held | (set(POWERS[Role.VIEWER]) if caller is Caller.ASIDE else set())
    return needed in POWERS[Role(caller.value)]


# --- The routes -------------------------------------------------------------------------------------------------------


def admin_routes() -> set[str]:
    """Return every route of the back office, by its name; unnamed ones by their pattern."""
    found = ((route, pattern.name) for route, pattern in routes(get_resolver()) if route.startswith(PREFIX))
    return {name or route for route, name in found}


def named_routes() -> set[str]:
    """Return the routes that the tables of powers.py contain."""
    return {name for page in pages() for name in _routes_of(page)} | OWN_PAGES.keys() | SITE_PAGES | DOORS | LEFT_OVER


# Routes that lead nowhere: no address, and a model's public page, which none of our models has.
LEFT_OVER = {"admin/(?P<url>.*)$", "view_on_site"}


def pages() -> list[WorkspaceScopedAdmin]:
    return [page for page in admin.site._registry.values() if isinstance(page, WorkspaceScopedAdmin)]


def _routes_of(page: WorkspaceScopedAdmin) -> dict[str, tuple[Needed, Needed, bool]]:
    """Return a model's routes: the powers to open and to send each, and whether it names a row."""
    prefix = f"{page.opts.app_label}_{page.opts.model_name}_"
    view, add, change = PAGES[str(page.opts.model_name)]
    found: dict[str, tuple[Needed, Needed, bool]] = {
        f"{prefix}changelist": (view, view, False),
        f"{prefix}add": (add, add, False),
        f"{prefix}change": (view, change, True),
        f"{prefix}history": (view, view, True),
        f"{prefix}delete": (None, None, True),
        f"{PREFIX}{page.opts.app_label}/{page.opts.model_name}/<path:object_id>/": (ANYBODY, ANYBODY, True),
    }
    for names, is_ours in ((page._get_base_actions_detail(), True), (page._get_base_actions_list(), False)):
        for button in names:
            power = BUTTONS[f"{page.opts.model_name}.{button.action_name.removeprefix(prefix)}"]
            found[button.action_name] = (power, power, is_ours)
    return found


def ways_of(page: WorkspaceScopedAdmin) -> list[Way]:
    """Return the addresses of a model's pages and buttons, about one of our rows."""
    row = my_row_of(page)
    is_platforms = not page.workspace_path and page.model is not User
    found = []
    for route, (opens, sends, is_row) in _routes_of(page).items():
        pattern = route.removeprefix(PREFIX)
        address = (
            f"/{PREFIX}{pattern.replace('<path:object_id>', str(row.pk))}"
            if route.startswith(PREFIX)
            else reverse(f"admin:{route}", args=[row.pk] if is_row else [])
        )
        found.append(Way(route, address, opens, sends, is_row and not is_platforms))
    return found


# Pages that are always about something that their address names.
_ABOUT_SOMETHING = {"list-settings", "partners_partnersequence_editor"}


def own_ways() -> list[Way]:
    """Return the addresses of the models' additional pages, and of the site's own."""
    ours = Workspace.objects.get(slug=MINE)
    mine = {"workspace": ours}
    waiting = awaiting_review(Enrollment.objects.filter(**mine)).earliest("pk")
    held = HeldReview.objects.filter(enrollment__workspace=ours).latest("pk")
    file = ApplicationFile.objects.filter(application__workspace=ours).latest("pk")
    rows: dict[str, list[Any]] = {
        "auth_user_password_change": [person("viewer").pk],
        "enrollments_enrollment_review_case": [waiting.pk],
        "enrollments_enrollment_review_undo": [held.pk],
        "enrollments_application_file": [file.application_id, file.pk],
        "enrollments_whatif_file": [WhatIf.objects.filter(**mine).earliest("pk").pk],
    }
    for route in ("billing_invoice_pdf", "partners_certificate_pdf", "partners_provider_field_map"):
        app, name, _ = route.split("_", 2)
        rows[route] = [my_row_of(_page_of(app, name)).pk]
    queries = {
        "cohorts_cohort_course": [
            {"workspace": ours.pk},
            {"like": Cohort.objects.filter(instance__workspace=ours).earliest("pk").pk},
        ],
        "enrollments_program_setup": [{"workspace": ours.pk}],
        "partners_partnersequence_editor": [{"program": Program.objects.filter(**mine).earliest("pk").pk}],
    }
    found = [
        Way(route, reverse(f"admin:{route}", args=rows[route]), *needed, True)
        for route, needed in OWN_PAGES.items()
        if route in rows
    ]
    for route, asked in queries.items():
        plain = reverse(f"admin:{route}")
        found += [
            Way(route, f"{plain}?{name}={value}", *OWN_PAGES[route], True)
            for query in asked
            for name, value in query.items()
        ]
    found += [
        Way(route, reverse(f"admin:{route}"), *needed, False)
        for route, needed in OWN_PAGES.items()
        if route not in {*rows, *_ABOUT_SOMETHING}
    ]
    found.append(Way("status", reverse("status"), ANYBODY, ANYBODY, False))
    settings = reverse("list-settings", args=[Learner._meta.label_lower])
    found.append(Way("list-settings", settings, *OWN_PAGES["list-settings"], False))
    for app in sorted({page.opts.app_label for page in pages()}):
        seen = {PAGES[str(page.opts.model_name)][0] for page in pages() if page.opts.app_label == app}
        least = next(power for power in (Power.VIEW, Power.MANAGE, Power.OPERATE) if power in seen)
        found.append(Way("app_list", reverse("admin:app_list", args=[app]), least, least, False))
    kind = ContentType.objects.get_for_model(Learner)
    learner = Learner.objects.filter(**mine).earliest("pk")
    found.append(Way("view_on_site", reverse("admin:view_on_site", args=[kind.pk, learner.pk]), None, None, True))
    for route in ("index", "jsi18n", "password_change", "password_change_done"):
        found.append(Way(route, reverse(f"admin:{route}"), ANYBODY, ANYBODY, False))
    return found


@functools.cache
def _page_of(app: str, name: str) -> WorkspaceScopedAdmin:
    page = admin.site.get_model_admin(apps.get_model(app, name))
    if not isinstance(page, WorkspaceScopedAdmin):
        raise TypeError(f"{page} does not say who may see its rows.")
    return page


# --- The callers ------------------------------------------------------------------------------------------------------


def add_callers() -> None:
    """Add the callers that the small demo lacks."""
    ours, theirs = (Workspace.objects.get(slug=slug) for slug in (MINE, OTHERS))
    UserFactory(email="family@role.test")
    left = StaffFactory(email="left@role.test")
    Membership.objects.create(workspace=ours, user=left, role=Role.OWNER)
    User.objects.filter(pk=left.pk).update(is_staff=False)
    for name, roles in (("elsewhere", {theirs: Role.OWNER}), ("aside", {theirs: Role.OWNER, ours: Role.VIEWER})):
        user = StaffFactory(email=f"{name}@role.test")
        for workspace, role in roles.items():
            Membership.objects.create(workspace=workspace, user=user, role=role)


def add_rows() -> None:
    """Add the rows that addresses name and the small demo lacks."""
    now = utc_now()
    ours = Workspace.objects.get(slug=MINE)
    waiting = awaiting_review(Enrollment.objects.filter(workspace=ours)).latest("pk")
    viewer = Actor("user", person("viewer").pk)  # who can't answer, and so can't take an answer back either
    held = hold_review(enrollment_id=waiting.pk, outcome=EligibilityStatus.APPROVED, actor=viewer, now=now)
    HeldReview.objects.filter(pk=held.pk).update(next_attempt_at=now + dt.timedelta(hours=1))
    application = Application.objects.filter(workspace=ours).latest("pk")
    Application.objects.filter(pk=application.pk).update(confirmed_at=now, enrollment=waiting)
    question = ApplicationQuestion.objects.create(
        instance=application.instance, label="Report", kind="file", position=99
    )
    ApplicationFile.objects.create(
        application=application,
        question=question,
        name="report.pdf",
        media_type="application/pdf",
        size=1,
        content=ContentFile(b"x", name="report.pdf"),
    )
    ask_what_if(
        workspace_id=ours.pk, name="Next term", first_day=now.date(), last_day=now.date(), actor=SYSTEM, now=now
    )


def user_of(caller: Caller) -> User:
    return person("owner" if caller is Caller.BY_CODE else caller.value)


def browser(caller: Caller) -> Client:
    client = Client()
    if caller is not Caller.VISITOR:
        client.force_login(user_of(caller), backend=BY_CODE if caller is Caller.BY_CODE else SIGNED_IN_BY_PASSWORD)
    return client


# --- Answers ----------------------------------------------------------------------------------------------------------

FORM = {"_confirm": "1", "reason": "Guessed", "note": "Guessed", "resolution": "Guessed", "do": "approve"}
_WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM) \"(\w+)\"")
# Rows about how somebody uses the site, which contain nothing of a workspace.
_NO_ROWS_OF_OURS = {"django_session", "accounts_user"}
_WORD = re.compile(r"[a-z0-9][a-z0-9._%+@-]{7,}")


@dataclass(frozen=True, slots=True)
class Marks:
    """Texts that only our rows contain: a caller who is shown one of them was shown one of our rows."""

    words: frozenset[str]
    texts: frozenset[str]

    def found_in(self, page: str) -> list[str]:
        lowered = page.lower()
        told = {word.strip(".-") for word in _WORD.findall(lowered)} & self.words
        return sorted(told | {text for text in self.texts if text in lowered})


def marks() -> Marks:
    words, texts = ({slug: set(found(slug)) for slug in (MINE, OTHERS)} for found in (_words_of, _texts_of))
    return Marks(frozenset(words[MINE] - words[OTHERS]), frozenset(texts[MINE] - texts[OTHERS]))


def _words_of(slug: str) -> Iterator[str]:
    for page in pages():
        for name in ("cuid", "email", "serial", "recipient"):
            if page.workspace_path and any(field.name == name for field in page.opts.fields):
                path = "slug" if page.workspace_path == "id" else f"{page.workspace_path}__slug"
                found = page.model._default_manager.filter(**{path: slug}).values_list(name, flat=True)
                yield from (str(value).lower() for value in found if value)
    yield from Membership.objects.filter(workspace__slug=slug).values_list("user__email", flat=True)


def _texts_of(slug: str) -> Iterator[str]:
    for model in (Learner, Program, ProgramInstance):
        for row in model._default_manager.filter(workspace__slug=slug):
            yield str(row).lower()


def is_let_in(response: Any) -> bool:
    """Return whether the caller gets a question, a page, a file, or the way back to a row they may see. A missing page,
    a redirect to the sign-in or the front page, and a refused method count as shut.
    """
    if response.status_code == 302:
        target = response["Location"].partition("?")[0]
        return target not in ("/admin/login/", "/admin/")
    return response.status_code not in (403, 404, 405)


def pages_undrawn() -> AbstractContextManager[Any]:
    """Skip rendering: inside, a view decides everything except the page, and its template takes most of the time."""
    return patch.object(SimpleTemplateResponse, "rendered_content", "")


def knock(
    client: Client, method: str, address: str, *, form: Any = None, is_drawn: bool = True
) -> tuple[bool, list[str], str]:
    """Return whether somebody got in, what was written, and the page."""
    written: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = _WRITES.match(sql)
        if found and found[2] not in _NO_ROWS_OF_OURS:
            written.append(found[2])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch), contextlib.nullcontext() if is_drawn else pages_undrawn():
        try:
            response = client.get(address) if method == "GET" else client.post(address, form or FORM)
        except NetworkInsideTransaction:  # the transaction is the test's own; a caller who gets this far is in
            return True, written, ""
    is_page = not response.streaming and "text/" in response.get("Content-Type", "")
    return is_let_in(response), written, response.content.decode() if is_page else ""


def find_leaks(ways: Iterable[Way], callers: Iterable[Caller], known: Marks, *, shut: bool = True) -> list[str]:
    """Find where callers get what they should not; with `shut`, also where they are refused what they may have."""
    wrong = []
    listed = list(ways)
    for caller in callers:
        client = browser(caller)
        for way in listed:
            for method in ("GET", "POST"):
                may = way.lets(caller, method)
                if method == "POST" and may:  # the effect of pressing a button has its own tests
                    continue
                told = f"{caller} {method} {way.address}"
                is_in, written, page = knock(client, method, way.address, is_drawn=caller not in LIKE_ANOTHER)
                if is_in and not may:
                    wrong.append(f"{told}: let in")
                if not may and written:
                    wrong.append(f"{told}: wrote {written}")
                if may and not is_in and shut:
                    wrong.append(f"{told}: shut out")
                if caller in NOT_OURS and (seen := known.found_in(page)):
                    wrong.append(f"{told}: shown {seen[:3]}")
    return wrong
