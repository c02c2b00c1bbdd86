"""The enrolment service's document: which test covers each row of its table, each example, and each hole it had."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import resolve

from accounts.tests.factories import LearnerFactory
from enrollments.tests.factories import InstanceFactory
from enrollments.tests.integrators import Api

DOCUMENT = (Path(__file__).resolve().parent.parent.parent / "docs" / "enrolment-service.md").read_text()
API, OFFLINE, EXPIRY = (f"enrollments/tests/test_{name}.py::" for name in ("enrolment_api", "offline", "expiry"))
ROWS = {
    "POST /api/enrolment/": API + "TestPostEnrolment::test_answers_as_the_document_s_example",
    "PATCH /api/enrolment/paid": OFFLINE + "TestPatchPaid::test_answers_as_the_document_s_example",
    "PATCH /api/enrolment/expired": EXPIRY
    + "TestPatchExpired::test_lists_what_it_completed_and_says_how_many_are_left",
    "GET /api/enrolment/<id>": API + "TestGetEnrolment::test_shows_it",
    "GET /api/enrolment/<id>/details": API + "TestGetDetails::test_shows_the_user_s_enrolment",
    "GET /api/enrolment/active": API + "TestGetActive::test_lists_what_is_current",
    "DELETE /api/enrolment/<id>": API + "TestDeleteEnrolment::test_hides_it_and_keeps_the_record",
    "GET /api/enrolment/health": API + "TestGetHealth::test_says_that_service_and_database_are_up",
}
HOLE = "tests/contracts/test_enrolment_holes.py::"
HOLES = {
    "anyone may mark anything paid": HOLE + "TestMarkingPaid::test_takes_a_scope_that_nothing_else_opens",
    "the invoice is asked for before the commit": (
        HOLE + "TestAVendorSInvoice::test_is_asked_for_only_once_the_payment_is_committed"
    ),
    "and without a key, so that a retry makes a second one": (
        HOLE + "TestAVendorSInvoice::test_is_one_although_its_answer_was_lost"
    ),
    "a hard delete": HOLE + "TestDeleting::test_keeps_the_record",
    "unique (user, course) forbids to enroll again": HOLE + "TestEnrollingAgain::test_is_possible_once_it_has_ended",
    "a scheduler in every web process": (
        "tests/races/test_expiry.py::TestSweepsAtOnce::test_complete_each_enrollment_once"
    ),
}


def rows_of_the_table() -> dict[str, str]:
    """Return the scope that each endpoint requires, by method and path."""
    found = re.findall(r"^\| ([A-Z]+) \| `(/api/\S+)` \| `?([a-z:]+)`? \|", DOCUMENT, re.MULTILINE)
    return {f"{method} {path}": scope for method, path, scope in found}


def examples() -> list[Any]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]


class TestTheTable:
    def test_has_a_test_for_each_row(self) -> None:
        assert set(rows_of_the_table()) == set(ROWS)

    @pytest.mark.parametrize("row", [*ROWS, *HOLES])
    def test_is_shown_by_a_test_that_pytest_collects(self, row: str) -> None:
        path, group, name = (ROWS | HOLES)[row].split("::")

        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))

        assert callable(getattr(getattr(module, group), name))

    @pytest.mark.parametrize("row", ROWS)
    def test_names_the_scope_that_its_view_asks_for(self, row: str) -> None:
        method, _, path = row.partition(" ")
        view: Any = resolve(path.rstrip("/").replace("<id>", "1")).func

        scopes = getattr(view.view_class, "required_scopes", {})

        assert scopes.get(method, "none") == rows_of_the_table()[row]


@pytest.mark.django_db
class TestTheExamples:
    def test_are_answered_field_by_field(self) -> None:
        asked, created, pay, paid = examples()
        course = InstanceFactory()
        LearnerFactory(workspace=course.workspace, external_id=asked["user_id"])
        api = Api(course.workspace)

        first = api.post("/api/enrolment", asked | {"course_id": course.pk})
        number = first.json()["id"]
        second = api.patch("/api/enrolment/paid", pay | {"enrolment_id": number})

        here = {"id": number, "course_id": course.pk}
        assert (first.status_code, list(first.json()), first.json()) == (201, list(created), created | here)
        address = second.json()["invoice_url"]
        assert re.fullmatch(r"https?://[^/]+/invoices/\d+-1\.\S+", address)
        assert re.fullmatch(r"https?://[^/]+/invoices/\d+-1\.\S+", paid["invoice_url"])
        assert (second.status_code, list(second.json())) == (200, list(paid))
        assert second.json() == paid | here | {"invoice_url": address}
