"""Everything that staff can send to the back office, filled in as completely as possible, and what it writes."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Learner
from accounts.roles import POWERS, Power
from accounts.states import Role
from backoffice.actions import BulkButton, ListButton, RowButton
from backoffice.guided import ListLink, RowLink
from backoffice.models import AuditEntry
from backoffice.scoping import WorkspaceScopedAdmin
from backoffice.tests.staff_client import as_shown
from core.clock import utc_now
from core.network import NetworkInsideTransaction
from partners.admin.page_button import PageButton

from .deeds_answers import ANSWERS, BEFORE, BEFORE_ADDING, SUITED
from .matrix import Caller, browser
from .matrix_of_lists import request_of
from .small_demo import MINE, my_row_of, url

_WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM) \"(\w+)\"")
_TAKEN_BACK = re.compile(r"ROLLBACK TO SAVEPOINT \"(\w+)\"")
LOG = "backoffice_auditentry"
# How somebody uses the site: nothing that others work with.
NOT_DEEDS = {
    "accounts_familysignin",
    "accounts_staffsignin",
    "backoffice_savedlist",
    "core_sharedcounter",  # counts attempts before they are checked
    "django_admin_log",
    "django_session",
}
REASON = "Because of the walk"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something sent, by its button or route. `reaches_out`: it is logged apart from its effects, before or after them.
    For pages that only read, the log records that they were fetched.
    """

    name: str
    by: Caller
    address: str
    form: dict[str, Any] | None = field(default_factory=dict)  # None: it is fetched
    reaches_out: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The tables that were written, the log entries about it, and what was written in another transaction."""

    written: frozenset[str]
    entries: list[dict[str, Any]]
    apart: frozenset[str]


def do(deed: Deed, client: Client | None = None) -> Outcome:
    """Send it, collect what it wrote, and roll it back."""
    written: list[tuple[str, list[Any]]] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if back := _TAKEN_BACK.match(sql):
            written[:] = [each for each in written if back[1] not in each[1]]
        found = _WRITES.match(sql)
        if found and (found[1] == "INSERT INTO" or context["cursor"].rowcount):
            written.append((found[2], connection.savepoint_ids[depth:]))
        return answer

    client = client or browser(deed.by)
    last = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    with transaction.atomic():
        depth = len(connection.savepoint_ids)
        with connection.execute_wrapper(watch):
            try:
                if deed.form is None:
                    b"".join(client.get(deed.address))
                else:
                    client.post(deed.address, deed.form)
            except NetworkInsideTransaction:  # calls to outside systems stop here
                pass
        entries: list[Any] = list(AuditEntry.objects.filter(pk__gt=last).order_by("pk").values())
        transaction.set_rollback(True)
    together = {within[0] for table, within in written if table == LOG and within}
    changes = [(table, within) for table, within in written if table not in NOT_DEEDS and table != LOG]
    apart = {table for table, within in changes if not (within and within[0] in together)}
    return Outcome(frozenset(dict(changes)), entries, frozenset() if deed.reaches_out else frozenset(apart))


# --- Buttons and forms ------------------------------------------------------------------------------------------------


# These lead to pages of their own, which `deeds_beside.py` covers.
_LEAD_ELSEWHERE = (RowLink, ListLink, PageButton)


def buttons_of(page: WorkspaceScopedAdmin) -> Iterator[tuple[str, str, RowButton | ListButton | BulkButton]]:
    """Return the buttons that act directly: full name, attribute, and button."""
    for attribute in dir(type(page)):
        button = getattr(type(page), attribute, None)
        if isinstance(button, RowButton | ListButton | BulkButton) and not isinstance(button, _LEAD_ELSEWHERE):
            yield f"{page.opts.model_name}.{attribute}", attribute, button


def who_may(power: Power) -> Caller:
    """Return the owner, who is only offered rows of our workspace, unless the button requires a platform operator."""
    return Caller.OWNER if power in POWERS[Role.OWNER] else Caller.SUPERUSER


def deeds_of(page: WorkspaceScopedAdmin) -> Iterator[Deed]:
    """Return the buttons and bulk actions of a model, each for two rows where it is possible."""
    prefix = f"admin:{page.opts.app_label}_{page.opts.model_name}"
    BEFORE.get(str(page.opts.model_name), lambda: None)()
    for name, attribute, button in buttons_of(page):
        by = who_may(button.power)
        request = request_of(by)
        rows = [row for row in page.get_queryset(request)[:200] if SUITED.get(name, lambda row: True)(row)]
        answers = ANSWERS.get(name, lambda row: {})
        if isinstance(button, ListButton):
            for form in filled(button.form, request, None):
                yield Deed(name, by, reverse(f"{prefix}_{attribute}"), form | answers(None), button.reaches_out)
            continue
        of_row = button.button if isinstance(button, BulkButton) else button
        for row in [row for row in rows if of_row.possible(row)][:2]:
            for guessed in filled(of_row.form, request, row):
                form = guessed | answers(row)
                if isinstance(button, BulkButton):
                    chosen = {"action": attribute, ACTION_CHECKBOX_NAME: [str(row.pk)], "_confirmed": "1"}
                    yield Deed(name, by, url(page, "changelist"), {**form, **chosen}, of_row.reaches_out)
                else:
                    yield Deed(name, by, reverse(f"{prefix}_{attribute}", args=[row.pk]), form, button.reaches_out)


def forms_of(page: WorkspaceScopedAdmin) -> Iterator[Deed]:
    """Return the form of one of our rows, with one field changed at a time, and the form that adds a row."""
    name = str(page.opts.model_name)
    if page.change_power is not None:
        address, by = url(page, "change", my_row_of(page).pk), who_may(page.change_power)
        sent, shown = as_shown(browser(by), address)
        for key, bound in shown.fields.items():
            if isinstance(bound, forms.BooleanField):
                changed = {each: value for each, value in sent.items() if each != key}
                yield Deed(f"{name}.change", by, address, changed if key in sent else {**sent, key: "on"})
            elif type(bound) is forms.CharField and sent.get(key):
                yield Deed(f"{name}.change", by, address, {**sent, key: f"{sent[key]} 2"})
    if page.add_power is not None:
        BEFORE_ADDING.get(name, lambda: None)()
        address, by = url(page, "add"), who_may(page.add_power)
        sent, shown = as_shown(browser(by), address)
        for key, bound in shown.fields.items():
            if bound.required or key in ("email", "code", "password1", "password2"):
                sent.setdefault(key, _answer(shown, key, bound))
        yield Deed(f"{name}.add", by, address, sent)


def filled(form_class: type[Any], request: Any, row: Any) -> Iterator[dict[str, Any]]:
    """Fill in a form: use the initial values, else the first choice, else something valid. Once with every field, once
    with the required ones only.
    """
    form = form_class(request=request, row=row)
    needed = {name for name, bound in form.fields.items() if bound.required or type(bound) is forms.CharField}
    whole = {name: value for name, bound in form.fields.items() if (value := _answer(form, name, bound)) is not None}
    begun = {name: whole[name] for name in whole if form[name].value() not in (None, "", [], False)}
    for answers in (whole, begun | {name: whole[name] for name in whole if name in needed}):
        yield {"_confirm": "1", **answers}


_FITTING: list[tuple[type[forms.Field], Callable[[Any], Any]]] = [
    (forms.ModelMultipleChoiceField, lambda bound: [row.pk for row in bound.queryset[:1]]),
    (forms.ModelChoiceField, lambda bound: next((row.pk for row in bound.queryset[:1]), None)),
    (forms.MultipleChoiceField, lambda bound: [key for key, _ in bound.choices][:1]),
    (forms.ChoiceField, lambda bound: next((key for key, _ in bound.choices if key), None)),
    (forms.BooleanField, lambda _: "on"),
    (forms.FileField, lambda _: SimpleUploadedFile("roster.csv", b"email\nnew@home.test\n", "text/csv")),
    (forms.DateTimeField, lambda _: (utc_now() + dt.timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")),
    (forms.DateField, lambda _: (utc_now() + dt.timedelta(days=3)).strftime("%Y-%m-%d")),
    (forms.TimeField, lambda _: "16:00"),
    (forms.IntegerField, lambda _: "7"),
    (forms.EmailField, lambda _: "somebody@role.test"),
    (forms.URLField, lambda _: "https://hooks.example.org/other"),
]


# Values that only the field's name suggests.
_BY_NAME: dict[str, Callable[[], str]] = {
    "email": lambda: "somebody@role.test",
    "end_time": lambda: "17:00",
    "learner": lambda: str(Learner.objects.filter(workspace__slug=MINE, merged_into=None).earliest("pk").pk),
    "password1": lambda: "Correct-horse-9",
    "password2": lambda: "Correct-horse-9",
    "roster": lambda: "email,first_name,last_name\nnew@home.test,June,Roe\n",
    "url": lambda: "https://hooks.example.org/other",
}


def _answer(form: Any, name: str, bound: forms.Field) -> Any:
    if type(bound) is forms.CharField and name in ("reason", "note", "resolution"):
        return REASON
    begins = form[name].value()
    if begins not in (None, "", []):
        return begins
    known = next((answer() for part, answer in _BY_NAME.items() if part in name), None)
    if known is not None and not isinstance(bound, forms.FileField):
        return known
    return next((answer(bound) for kind, answer in _FITTING if isinstance(bound, kind)), "12")
