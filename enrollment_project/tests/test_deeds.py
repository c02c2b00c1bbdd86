"""Everything that staff do has an entry in the audit log: everything they can send is sent, and the log is read."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from django.urls import get_resolver

from accounts import passwords
from backoffice.actions import BulkButton, ListButton, RowButton
from backoffice.auditing.pages import AuditedAdmin
from backoffice.scoping import WorkspaceScopedAdmin
from tests.contracts.routes import routes

from .deeds import REASON, Deed, Outcome, buttons_of, deeds_of, do, forms_of
from .deeds_beside import BESIDE, NOTHING_TO_DO
from .matrix import Caller, add_callers, add_rows, pages, user_of
from .powers import OWN_PAGES, SITE_PAGES
from .small_demo import ADMINS, small_demo

# Names that no page filled in by walks has: a secret, or something to guess it by.
SECRET = re.compile(r"secret(?!_until)|token|digest|password|api_key|recovery")


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[None]:
    with small_demo(django_db_blocker, folder_of_the_demo):
        add_callers()
        add_rows()
        yield


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not queue, however many people try passwords on this machine at the same moment."""
    monkeypatch.setattr(passwords, "STRANGERS_AT_ONCE", 100)


def faults_of(deed: Deed, outcome: Outcome) -> list[str]:
    """Return what the log lacks or should not contain."""
    is_known = deed.by is not Caller.VISITOR  # somebody who arrives by a link is known by then
    wrong = []
    if (outcome.written or deed.form is None) and not outcome.entries:
        wrong.append(f"no entry, but {sorted(outcome.written)}")
    if outcome.apart:
        wrong.append(f"{sorted(outcome.apart)} in another transaction than the entry")
    for entry in outcome.entries:
        if (is_known and entry["actor"] != f"user:{user_of(deed.by).pk}") or not entry["request_id"]:
            wrong.append(f"{entry['action']}: by {entry['actor']} in request {entry['request_id']!r}")
        kept = {name for name, pair in entry["changes"].items() if pair is not None}
        wrong += [f"{name} is kept" for name in kept if SECRET.search(name)]
        if REASON in (deed.form or {}).values() and REASON not in entry["reason"]:
            wrong.append(f"{entry['action']}: without the reason that was given")
    return wrong


class TestTheTables:
    def test_know_every_page_on_which_something_can_be_done(self) -> None:
        own = {pattern.name for route, pattern in routes(get_resolver()) if route.startswith("accounts/staff/")}
        every = OWN_PAGES.keys() | SITE_PAGES | {"login", "logout", "export-file", "staff-invitation"} | own
        known = {name.partition(" ")[0] for name in BESIDE} | NOTHING_TO_DO.keys()

        assert every - known == set(), "pages that enrollment_project/tests/deeds_beside.py does not know"
        assert known - every == set()

    def test_know_buttons_alone_that_are_recorded(self) -> None:
        """Everything that acts is executed by `actions.py`."""
        recorded = {RowButton.carry_out, ListButton.carry_out, BulkButton.__call__}
        kinds = {type(button) for page in pages() for _, _, button in buttons_of(page)}

        assert {getattr(kind, "carry_out", kind.__call__) for kind in kinds} <= recorded


@pytest.mark.walk
class TestEveryDeed:
    @pytest.mark.parametrize("page", ADMINS)
    def test_on_a_model_s_pages_has_its_entry(self, page: WorkspaceScopedAdmin, world: None, db: None) -> None:
        outcomes = [(deed, do(deed)) for deed in chain(deeds_of(page), forms_of(page))]

        wrong = {deed.name: faults for deed, outcome in outcomes if (faults := faults_of(deed, outcome))}
        done = {deed.name for deed, outcome in outcomes if outcome.written or outcome.entries}
        assert wrong == {}
        assert {deed.name for deed, _ in outcomes} - done == set(), "nothing was done"

    @pytest.mark.parametrize("name", BESIDE)
    def test_on_other_pages_has_its_entry(self, name: str, world: None, db: None) -> None:
        client, deed = BESIDE[name]()

        outcome = do(deed, client)

        assert faults_of(deed, outcome) == []
        assert outcome.entries, "nothing was done"


@pytest.mark.walk
class TestNoEntry:
    """Negative control: an action that writes without a log entry is found."""

    def test_is_noticed(self, world: None, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        client, deed = BESIDE["enrollments_enrollment_review_case approve"]()
        monkeypatch.setattr(AuditedAdmin, "_record", lambda *_, **__: None)

        assert faults_of(deed, do(deed, client))[0] == "no entry, but ['enrollments_heldreview']"
