"""The program-enrollments document, row by row; `document_rows` names the test of each."""

import ast
import datetime as dt
import re
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LeadFactory, MembershipFactory, bearer
from core.clock import utc_now
from enrollments.digest import write_digests
from enrollments.evaluation import continue_due_evaluations
from enrollments.models import Enrollment, ProgramInstance
from enrollments.tests.applicants import apply, instance_with_form
from enrollments.tests.criteria import set_criterion
from enrollments.tests.document_rows import HERE, ROWS, Shown
from enrollments.tests.factories import InstanceFactory
from enrollments.tests.integrators import Api
from events.models import OutboxEvent
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

DETAILS: dict[str, Any] = {
    "phone": "+14155550123",
    "address": {"streetOne": "123 Main St", "city": "New York", "state": "NY", "postalCode": "10001", "country": "USA"},
    "manufacturerSlugs": ["tesla", "enphase"],
    "serialNumber": "1234567890",
    "referenceId": "R-1",
    "referenceDescription": "Tesla Grid Services id.",
    "tags": ["tag1", "tag2"],
    "metadata": {"roof": {"kilowatts": 7}},
}
SUZIE = {
    "identificationType": "customerInfo",
    "firstName": "Suzie",
    "lastName": "Homeowner",
    "email": "suzie.homeowner@example.com",
}
IN_NEW_YORK = "address.state == 'NY'"


@pytest.fixture
def instance() -> ProgramInstance:
    """Return an instance that people review, in the New York time zone."""
    made = InstanceFactory(review_mode="manual", price=None)
    return set_criterion(made, IN_NEW_YORK, otherwise="Outside service area", because="In service territory")


@pytest.fixture
def api(instance: ProgramInstance) -> Api:
    return Api(instance.workspace)


def enroll(api: Api, instance: ProgramInstance, **details: Any) -> dict[str, Any]:
    answer = api.post(f"/api/programInstances/{instance.cuid}/enrollments", SUZIE | DETAILS | details)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def move(api: Api, made: dict[str, Any], *actions: str) -> dict[str, Any]:
    """Return the enrollment after these actions."""
    for action in actions:
        body = {"reason": "Incomplete information"} if action in ("reject", "unenroll") else {}
        answer = api.post(f"/api/enrollments/{made['id']}/{action}", body)
        assert answer.status_code == 200
        made = answer.json()
    return made


def refusals(api: Api, made: dict[str, Any], *actions: str) -> list[tuple[int, str]]:
    answers = [api.post(f"/api/enrollments/{made['id']}/{action}", {"reason": "No"}) for action in actions]
    return [(answer.status_code, answer.json()["code"]) for answer in answers]


NO_EDGE = (409, "transition_not_allowed")


class TestAStatus:
    def test_candidate_is_the_first(self, api: Api, instance: ProgramInstance) -> None:
        assert enroll(api, instance)["eligibility"]["status"] == "candidate"

    def test_eligible_meets_all_criteria_and_can_proceed(self, api: Api, instance: ProgramInstance) -> None:
        eligible = move(api, enroll(api, instance), "evaluate")

        assert eligible["eligibility"]["status"] == "eligible"
        assert move(api, eligible, "submit")["eligibility"]["status"] == "submitted"

    def test_ineligible_does_not_meet_the_criteria(self, api: Api, instance: ProgramInstance) -> None:
        made = enroll(api, instance, address={"state": "CA"})

        assert move(api, made, "evaluate")["eligibility"]["status"] == "ineligible"

    def test_submitted_awaits_review(self, api: Api, instance: ProgramInstance) -> None:
        submitted = move(api, enroll(api, instance), "evaluate", "submit")

        assert (submitted["eligibility"]["status"], submitted["participationStatus"]) == ("submitted", "not_started")

    def test_approved_was_reviewed_and_takes_part(self, api: Api, instance: ProgramInstance) -> None:
        approved = move(api, enroll(api, instance), "evaluate", "submit", "approve")

        assert (approved["eligibility"]["status"], approved["participationStatus"]) == ("approved", "active")

    def test_rejected_was_reviewed_and_denied(self, api: Api, instance: ProgramInstance) -> None:
        rejected = move(api, enroll(api, instance), "evaluate", "submit", "reject")

        assert (rejected["eligibility"]["status"], rejected["participationStatus"]) == ("rejected", "not_started")

    def test_unenrolled_has_left(self, api: Api, instance: ProgramInstance) -> None:
        left = move(api, enroll(api, instance), "evaluate", "submit", "approve", "unenroll")

        assert (left["eligibility"]["status"], left["participationStatus"]) == ("unenrolled", "withdrawn")


class TestTheFlow:
    def test_leads_from_candidate_to_exit(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance), "evaluate", "submit", "approve", "unenroll")

        transitions = api.get(f"/api/enrollments/{made['id']}/history").json()["transitions"]
        moves = [each["toStatus"] for each in transitions if each["facet"] == "eligibility"]
        assert moves == ["eligible", "submitted", "approved", "unenrolled"]

    def test_stops_at_ineligible(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance, address={"state": "CA"}), "evaluate")

        assert refusals(api, made, "evaluate", "submit", "approve", "reject", "unenroll") == [NO_EDGE] * 5

    def test_stops_at_rejected(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance), "evaluate", "submit", "reject")

        assert refusals(api, made, "evaluate", "submit", "approve", "reject", "unenroll") == [NO_EDGE] * 5


class TestTheReason:
    def test_of_an_eligible_one_is_what_qualifies(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance), "evaluate")

        assert made["eligibility"]["reason"] == "In service territory"

    def test_of_an_ineligible_one_is_what_disqualifies(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance, address={"state": "CA"}), "evaluate")

        assert made["eligibility"]["reason"] == "Outside service area"

    def test_of_a_rejected_one_is_the_reviewers(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance), "evaluate", "submit", "reject")

        assert made["eligibility"]["reason"] == "Incomplete information"


class TestAField:
    """The fields of the data model, as the sample response spells them."""

    @pytest.mark.parametrize(
        ("field", "shown"),
        [
            ("identificationType", "customerInfo"),
            ("address", DETAILS["address"]),
            ("phone", "+14155550123"),
            ("manufacturerSlugs", ["tesla", "enphase"]),
            ("meta", {"roof": {"kilowatts": 7}}),
            ("serialNumber", "1234567890"),
            ("referenceId", "R-1"),
            ("referenceDescription", "Tesla Grid Services id."),
            ("tags", ["tag1", "tag2"]),
            ("firstName", "Suzie"),
            ("lastName", "Homeowner"),
            ("email", "suzie.homeowner@example.com"),
            ("enrollmentStartDate", None),
            ("leadId", None),
            ("enrollmentId", None),
        ],
    )
    def test_is_kept_and_shown(self, api: Api, instance: ProgramInstance, field: str, shown: Any) -> None:
        made = enroll(api, instance)

        read = api.get(f"/api/enrollments/{made['id']}").json()
        stored = Enrollment.objects.get()
        assert read[field] == made[field] == shown
        assert (read["id"], read["programInstanceId"]) == (stored.cuid, instance.cuid)
        assert read["customerId"] == stored.person.cuid
        assert read["eligibility"] == {"status": "candidate", "reason": None, "programInstanceId": instance.cuid}

    def test_enrollment_start_date_is_there_once_it_is_approved(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance), "evaluate", "submit", "approve")

        assert made["enrollmentStartDate"] == f"{Enrollment.objects.get().start_date}T00:00:00Z"

    def test_lead_id_is_there_where_a_lead_enrolled(self, api: Api, instance: ProgramInstance) -> None:
        lead = LeadFactory(workspace=instance.workspace)

        made = api.post(
            f"/api/programInstances/{instance.cuid}/enrollments", {"identificationType": "leadId", "leadId": lead.cuid}
        ).json()

        assert (made["leadId"], made["customerId"]) == (lead.cuid, None)

    def test_enrollment_id_is_there_where_somebody_enrolled_again(self, api: Api, instance: ProgramInstance) -> None:
        first = move(api, enroll(api, instance), "evaluate", "submit", "approve", "unenroll")

        again = api.post(
            f"/api/programInstances/{instance.cuid}/enrollments",
            {"identificationType": "enrollmentId", "enrollmentId": first["id"]},
        ).json()

        assert (again["enrollmentId"], again["customerId"]) == (first["id"], first["customerId"])


class TestARule:
    def test_only_eligible_ones_are_submitted(self, api: Api, instance: ProgramInstance) -> None:
        candidate = enroll(api, instance)

        assert refusals(api, candidate, "submit") == [NO_EDGE]
        eligible = move(api, candidate, "evaluate")
        assert move(api, eligible, "submit")["eligibility"]["status"] == "submitted"

    @pytest.mark.parametrize("action", ["approve", "reject"])
    def test_only_submitted_ones_are_approved_or_rejected(
        self, api: Api, instance: ProgramInstance, action: str
    ) -> None:
        eligible = move(api, enroll(api, instance), "evaluate")

        assert refusals(api, eligible, action) == [NO_EDGE]
        assert move(api, eligible, "submit", action)["eligibility"]["status"] == f"{action}ed".replace("ee", "e")

    def test_only_approved_ones_are_unenrolled(self, api: Api, instance: ProgramInstance) -> None:
        submitted = move(api, enroll(api, instance), "evaluate", "submit")

        assert refusals(api, submitted, "unenroll") == [NO_EDGE]
        assert move(api, submitted, "approve", "unenroll")["eligibility"]["status"] == "unenrolled"

    @pytest.mark.parametrize("state", ["NY", "CA"])
    def test_rejected_and_ineligible_end_unless_criteria_change(
        self, api: Api, instance: ProgramInstance, state: str
    ) -> None:
        actions = ("evaluate", "submit", "reject") if state == "NY" else ("evaluate",)
        over = move(api, enroll(api, instance, address={"state": state}), *actions)

        assert refusals(api, over, "reconsider") == [(409, "criteria_unchanged")]
        set_criterion(instance, "true")
        assert move(api, over, "reconsider")["eligibility"]["status"] == "candidate"

    def test_a_change_is_told_to_the_customer_and_to_administrators(self, api: Api, instance: ProgramInstance) -> None:
        reviewer = MembershipFactory(workspace=instance.workspace, role=Role.REVIEWER).user
        move(api, enroll(api, instance), "evaluate", "submit")
        Workspace.objects.update(timezone="UTC")
        tomorrow = (utc_now() + dt.timedelta(days=1)).replace(hour=8)

        write_digests(now=tomorrow)
        send_due_notifications(now=tomorrow)

        assert {address for message in mail.outbox for address in message.to} == {SUZIE["email"], reviewer.email}


class TestAccess:
    def test_needs_a_key(self, api: Api, instance: ProgramInstance) -> None:
        made = enroll(api, instance)

        assert Client().get(f"/api/enrollments/{made['id']}").status_code == 401
        headers = {"X-API-Key": api.headers["Authorization"].removeprefix("Bearer ")}
        assert Client().get(f"/api/enrollments/{made['id']}", headers=headers).status_code == 200

    def test_needs_a_scope_for_what_it_does(self, api: Api, instance: ProgramInstance) -> None:
        made = enroll(api, instance)
        reader = bearer(workspace=instance.workspace, scopes=["enrollments:read"])

        read = Client().get(f"/api/enrollments/{made['id']}", headers=reader)
        written = Client().delete(f"/api/enrollments/{made['id']}", headers=reader)

        assert (read.status_code, written.status_code) == (200, 403)
        assert Enrollment.objects.get().deleted_at is None


class TestAnEvent:
    def test_created_when_an_enrollment_is_made(self, api: Api, instance: ProgramInstance) -> None:
        made = enroll(api, instance)

        event = OutboxEvent.objects.get()
        assert (event.type, event.payload["enrollmentId"]) == ("enrollment.created", made["id"])

    def test_updated_when_its_data_change(self, api: Api, instance: ProgramInstance) -> None:
        made = enroll(api, instance)

        api.patch(f"/api/enrollments/{made['id']}", {"tags": ["pilot"]})

        assert OutboxEvent.objects.get(type="enrollment.updated").payload["changed"] == ["tags"]

    def test_status_changed_when_it_moves(self, api: Api, instance: ProgramInstance) -> None:
        move(api, enroll(api, instance), "evaluate")

        told = OutboxEvent.objects.get(type="enrollment.status_changed").payload
        assert (told["fromStatus"], told["toStatus"]) == ("candidate", "eligible")


class TestAUseCase:
    def test_screening_evaluates_all_and_tells_the_eligible(
        self, api: Api, instance: ProgramInstance, django_capture_on_commit_callbacks: Any
    ) -> None:
        for name, state in (("Ada", "NY"), ("Ben", "CA")):
            enroll(api, instance, firstName=name, email=f"{name}@home.test", address={"state": state})

        with django_capture_on_commit_callbacks(execute=True):
            started = api.post(f"/api/programInstances/{instance.cuid}/evaluate", {})
        continue_due_evaluations(limit=5, now=utc_now())
        send_due_notifications(now=utc_now() + dt.timedelta(hours=1))

        job = api.get(f"/api/jobs/{started.json()['id']}").json()
        assert (started.status_code, job["status"]) == (202, "completed")
        statuses = Enrollment.objects.order_by("pk").values_list("eligibility_status", flat=True)
        assert list(statuses) == ["eligible", "ineligible"]
        told = {message.to[0]: message.subject for message in mail.outbox}
        assert set(told) == {"ada@home.test", "ben@home.test"}

    def test_self_enrollment_ends_in_review(self) -> None:
        form = instance_with_form()

        apply(form)

        assert Enrollment.objects.get().eligibility_status == "submitted"

    def test_exit_keeps_its_reason_in_the_metadata(self, api: Api, instance: ProgramInstance) -> None:
        made = move(api, enroll(api, instance), "evaluate", "submit", "approve")

        body = {"reason": "Moved away", "metadata": {"exitReason": "moved"}}
        left = api.post(f"/api/enrollments/{made['id']}/unenroll", body).json()

        assert left["meta"] == DETAILS["metadata"] | {"exitReason": "moved"}
        assert left["eligibility"]["status"] == "unenrolled"


# What each action needs so that its example can be sent unchanged.
NEEDED = {
    "evaluate": (),
    "submit": ("evaluate",),
    "approve": ("evaluate", "submit"),
    "reject": ("evaluate", "submit"),
    "unenroll": ("evaluate", "submit", "approve"),
    "reconsider": ("evaluate", "submit", "reject"),
}


class TestAnExample:
    """Each example of the OpenAPI document, sent unchanged, gets the response that the document declares."""

    def test_of_every_operation_is_answered_as_declared(self, api: Api, instance: ProgramInstance) -> None:
        document = Client().get("/api/schema", headers={"Accept": "application/json"}).json()
        routes = import_module("enrollments.api.programs.urls").urlpatterns
        declared, answered = [], []
        for route in routes:  # in this order: a program is created before it is offered
            path = "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(route.pattern))
            for method, operation in document["paths"][path].items():
                for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                    if content["schema"].get("format") == "binary":  # an archive: docs/oneroster.md has an example
                        continue
                    for example in content["examples"].values():
                        send = partial(getattr(api.client, method), content_type=kind, headers=api.headers)
                        body = example["value"]
                        if "programInstanceId" in body:  # the document can't know these
                            body = {**body, "programInstanceId": instance.cuid}
                        if "enrollmentIds" in body:  # nor these
                            body = {**body, "enrollmentIds": [self.approved(api, instance, "asks@home.test")]}
                        answer = send(self.address(api, instance, path), body)
                        declared.append((path, method, [s for s in operation["responses"] if s.startswith("2")]))
                        answered.append((path, method, [str(answer.status_code)]))

        assert answered == declared
        assert len(answered) == 19

    @staticmethod
    def approved(api: Api, instance: ProgramInstance, email: str) -> str:
        made = enroll(api, instance, email=email)
        move(api, made, *NEEDED["unenroll"])
        return str(made["id"])

    @staticmethod
    def address(api: Api, instance: ProgramInstance, path: str) -> str:
        """Return the path of something in the state that the operation needs."""
        code = instance.program.code
        address = path.replace("{instance_id}", instance.cuid).replace("{code}", code)
        if "{quote_id}" in address:
            asked = {"enrollmentIds": [TestAnExample.approved(api, instance, "leaves@home.test")]}
            return address.replace("{quote_id}", api.post("/api/cancellationQuotes", asked).json()["id"])
        if "{enrollment_id}" not in address:
            return address
        made = enroll(api, instance, email=f"{path.count('/')}{len(path)}{path[-4:]}@home.test")
        action = path.rpartition("/")[2]
        move(api, made, *NEEDED.get(action, ()))
        if action == "reconsider":
            set_criterion(instance, "true")
        return address.replace("{enrollment_id}", made["id"])


class TestTheTable:
    def test_names_a_test_for_every_row(self) -> None:
        assert missing(ROWS) == []

    def test_would_notice_a_test_that_is_not_there(self) -> None:
        """Control."""
        gone = (HERE, "TestAStatus", "test_that_nobody_wrote")

        assert missing({"Statuses: candidate": gone, "Statuses: lost": ("nowhere.py", *gone[1:])}) == [
            "Statuses: candidate",
            "Statuses: lost",
        ]

    def test_names_every_status_and_every_field_of_an_enrollment(self, api: Api, instance: ProgramInstance) -> None:
        answer = enroll(api, instance)

        spelled = {"metadata": "meta", "eligibilityStatus": "eligibility", "eligibilityReason": "eligibility"}
        fields = {row.removeprefix("Data model: ") for row in ROWS if row.startswith("Data model: ")}
        ours_alone = {"participationStatus", "paymentStatus", "exitDate", "createdAt", "updatedAt"}
        assert {spelled.get(field, field) for field in fields} == set(answer) - ours_alone


def missing(rows: dict[str, Shown]) -> list[str]:
    """Return the rows whose test does not exist."""
    return [row for row, shown in rows.items() if not _exists(*shown)]


def _exists(path: str, class_name: str, method: str) -> bool:
    source = settings.BASE_DIR / path
    if not source.exists():
        return False
    classes = [node for node in ast.parse(source.read_text()).body if isinstance(node, ast.ClassDef)]
    return any(
        isinstance(node, ast.FunctionDef) and node.name == method
        for found in classes
        if found.name == class_name
        for node in found.body
    )
