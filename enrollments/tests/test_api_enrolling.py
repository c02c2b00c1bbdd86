"""Enrolling over HTTP: the four ways to identify the person, and the details that may be sent along."""

from typing import Any

import pytest

from accounts.merging import merge_learners
from accounts.models import Lead, Learner, Workspace
from accounts.tests.factories import LeadFactory, LearnerFactory, WorkspaceFactory
from core.clock import utc_now
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, EnrollmentLabel, ProgramInstance
from events.models import OutboxEvent

from .factories import STAFF, CandidateFactory, InstanceFactory
from .integrators import Api, fields

pytestmark = pytest.mark.django_db

SUZIE = {
    "identificationType": "customerInfo",
    "firstName": "Suzie",
    "lastName": "Homeowner",
    "email": "suzie.homeowner@example.com",
}
# Word for word as in the document.
DETAILS = {
    "phone": "+1234567890",
    "address": {
        "streetOne": "123 Main St",
        "streetTwo": "Apt 4B",
        "city": "New York",
        "state": "NY",
        "postalCode": "10001",
        "country": "USA",
    },
    "manufacturerSlugs": ["tesla", "enphase"],
    "serialNumber": "1234567890",
    "referenceId": "1234567890",
    "referenceDescription": "Tesla Grid Services id.",
    "tags": ["tag1", "tag2"],
}


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory(review_mode="manual", price=None)


@pytest.fixture
def workspace(instance: ProgramInstance) -> Workspace:
    return instance.workspace


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def enroll(api: Api, instance: ProgramInstance) -> Any:
    return lambda body, **headers: api.post(f"/api/programInstances/{instance.cuid}/enrollments", body, **headers)


def earlier(workspace: Workspace, **facts: Any) -> Enrollment:
    """Return an enrollment in another instance of the workspace."""
    return CandidateFactory(
        workspace=workspace, instance=InstanceFactory(workspace=workspace, is_default=False), **facts
    )


def nobody_was_enrolled() -> bool:
    return not Enrollment.objects.exists() and not OutboxEvent.objects.exists()


class TestCustomerInfo:
    def test_enrolls_the_documents_own_example(self, enroll: Any, instance: ProgramInstance) -> None:
        response = enroll(SUZIE | DETAILS)

        assert response.status_code == 201, response.json()
        enrollment = Enrollment.objects.get()
        body = response.json()
        assert body.pop("createdAt")
        assert body.pop("updatedAt")
        assert body == SUZIE | DETAILS | {
            "id": enrollment.cuid,
            "leadId": None,
            "customerId": Learner.objects.get().cuid,
            "enrollmentId": None,
            "programInstanceId": instance.cuid,
            "meta": {},
            "enrollmentStartDate": None,
            "exitDate": None,
            "participationStatus": "not_started",
            "paymentStatus": "not_required",
            "eligibility": {"status": "candidate", "reason": None, "programInstanceId": instance.cuid},
        }
        assert set(EnrollmentLabel.objects.values_list("kind", "value")) == {
            ("tag", "tag1"),
            ("tag", "tag2"),
            ("manufacturer", "tesla"),
            ("manufacturer", "enphase"),
        }

    def test_publishes_that_it_was_created_and_nothing_else(self, enroll: Any) -> None:
        enroll(SUZIE | DETAILS)

        assert list(OutboxEvent.objects.values_list("type", flat=True)) == ["enrollment.created"]

    def test_finds_the_learner_who_is_known(self, enroll: Any, workspace: Workspace) -> None:
        known = LearnerFactory(
            workspace=workspace, first_name="Suzie", last_name="Homeowner", email=SUZIE["email"], phone=""
        )

        enroll(SUZIE | DETAILS)

        learner = Learner.objects.get()
        assert (learner, learner.phone) == (known, "+1234567890")
        assert learner.address["country"] == "USA"

    @pytest.mark.parametrize("name", ["firstName", "lastName", "email"])
    def test_needs_names_and_email(self, enroll: Any, name: str) -> None:
        response = enroll({key: value for key, value in SUZIE.items() if key != name})

        assert (response.status_code, fields(response)) == (422, [name])
        assert nobody_was_enrolled()


class TestCustomerId:
    def test_takes_names_and_email_from_the_learner(self, enroll: Any, workspace: Workspace) -> None:
        learner = LearnerFactory(workspace=workspace)

        body = enroll({"identificationType": "customerId", "customerId": learner.cuid}).json()

        assert (body["customerId"], body["email"], body["leadId"]) == (learner.cuid, learner.email, None)

    def test_of_a_merged_learner_means_the_one_who_stayed(self, enroll: Any, workspace: Workspace) -> None:
        keep = LearnerFactory(workspace=workspace)
        drop = LearnerFactory(workspace=workspace)
        merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason="One person", now=utc_now())

        body = enroll({"identificationType": "customerId", "customerId": drop.cuid}).json()

        assert body["customerId"] == keep.cuid

    def test_of_another_workspace_is_not_found(self, enroll: Any) -> None:
        theirs = LearnerFactory()

        response = enroll({"identificationType": "customerId", "customerId": theirs.cuid})

        assert (response.status_code, fields(response)) == (422, ["customerId"])
        assert nobody_was_enrolled()

    @pytest.mark.parametrize("name", ["firstName", "lastName", "email"])
    def test_refuses_what_the_learner_is_known_by(self, enroll: Any, workspace: Workspace, name: str) -> None:
        learner = LearnerFactory(workspace=workspace)

        response = enroll({"identificationType": "customerId", "customerId": learner.cuid, name: SUZIE[name]})

        assert (response.status_code, fields(response)) == (422, [name])
        assert nobody_was_enrolled()


class TestLeadId:
    def test_keeps_the_lead_until_the_first_approval_makes_a_learner_of_it(
        self, enroll: Any, api: Api, workspace: Workspace
    ) -> None:
        lead = LeadFactory(workspace=workspace, phone="+14155550123", address={"city": "Oslo", "country": "NOR"})
        created = enroll({"identificationType": "leadId", "leadId": lead.cuid}).json()
        enrollment = Enrollment.objects.get()

        for change in (evaluate_enrollment, submit_enrollment, approve_enrollment):
            change(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        learner = Learner.objects.get()
        assert (created["leadId"], created["customerId"]) == (lead.cuid, None)
        after = api.get(f"/api/enrollments/{enrollment.cuid}").json()
        assert (after["leadId"], after["customerId"]) == (lead.cuid, learner.cuid)
        assert (learner.email, learner.phone, learner.address) == (lead.email, lead.phone, lead.address)
        assert Lead.objects.get().converted_to == learner

    def test_of_a_lead_that_became_a_learner_enrolls_the_learner(self, enroll: Any, workspace: Workspace) -> None:
        learner = LearnerFactory(workspace=workspace)
        lead = LeadFactory(workspace=workspace, converted_to=learner)

        body = enroll({"identificationType": "leadId", "leadId": lead.cuid}).json()

        assert (body["leadId"], body["customerId"]) == (lead.cuid, learner.cuid)

    @pytest.mark.sqlite
    def test_may_fill_in_what_is_unknown_of_the_lead(self, enroll: Any, workspace: Workspace) -> None:
        lead = LeadFactory(workspace=workspace, last_name="", email="")

        body = enroll(
            {"identificationType": "leadId", "leadId": lead.cuid, "lastName": "Lovelace", "email": "ADA@Home.Test"}
        ).json()

        lead = Lead.objects.get()
        assert (lead.last_name, lead.email) == ("Lovelace", "ada@home.test")
        assert body["email"] == "ada@home.test"

    def test_says_what_is_missing_of_the_lead(self, enroll: Any, workspace: Workspace) -> None:
        lead = LeadFactory(workspace=workspace, first_name="", last_name="", email="")

        response = enroll({"identificationType": "leadId", "leadId": lead.cuid, "firstName": "Ada"})

        assert (response.status_code, fields(response)) == (422, ["lastName", "email"])
        assert Lead.objects.get().first_name == ""
        assert nobody_was_enrolled()

    def test_refuses_what_is_known_of_the_lead(self, enroll: Any, workspace: Workspace) -> None:
        lead = LeadFactory(workspace=workspace)

        response = enroll({"identificationType": "leadId", "leadId": lead.cuid, "email": "other@home.test"})

        assert (response.status_code, fields(response)) == (422, ["email"])
        assert Lead.objects.get().email == lead.email

    def test_of_another_workspace_is_not_found(self, enroll: Any) -> None:
        response = enroll({"identificationType": "leadId", "leadId": LeadFactory().cuid})

        assert (response.status_code, fields(response)) == (422, ["leadId"])
        assert nobody_was_enrolled()


class TestEnrollmentId:
    def test_enrolls_the_same_person_again_as_a_new_linked_record(self, enroll: Any, workspace: Workspace) -> None:
        last_year = earlier(
            workspace, phone="+14155550123", tags=["vip"], serial_number="old", metadata={"exit": "moved"}
        )

        body = enroll(
            {"identificationType": "enrollmentId", "enrollmentId": last_year.cuid, "serialNumber": "new"}
        ).json()

        again = Enrollment.objects.get(cuid=body["id"])
        assert (again.previous, again.learner) == (last_year, last_year.learner)
        assert (body["enrollmentId"], body["identificationType"]) == (last_year.cuid, "enrollmentId")
        assert (body["phone"], body["tags"], body["serialNumber"]) == ("+14155550123", ["vip"], "new")
        assert body["meta"] == {}
        before = Enrollment.objects.get(pk=last_year.pk)
        assert (before.updated_at, before.serial_number) == (last_year.updated_at, "old")

    def test_of_the_current_enrollment_in_this_instance_is_refused(
        self, enroll: Any, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        current = CandidateFactory(workspace=workspace, instance=instance)

        response = enroll({"identificationType": "enrollmentId", "enrollmentId": current.cuid})

        assert (response.status_code, response.json()["code"]) == (409, "already_enrolled")
        assert response.json()["enrollmentId"] == current.cuid
        assert Enrollment.objects.count() == 1

    def test_of_one_that_was_refused_in_this_instance_takes_its_place(
        self, enroll: Any, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        refused = CandidateFactory(workspace=workspace, instance=instance, eligibility_status="rejected")

        answers = [enroll({"identificationType": "enrollmentId", "enrollmentId": refused.cuid}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 409]
        again = Enrollment.objects.get(cuid=answers[0].json()["id"])
        assert (again.previous, again.eligibility_status) == (refused, "candidate")
        before = Enrollment.objects.get(pk=refused.pk)
        assert (before.eligibility_status, before.participation_status) == ("rejected", "withdrawn")

    def test_of_a_deleted_one_or_another_workspaces_is_not_found(self, enroll: Any, workspace: Workspace) -> None:
        deleted = earlier(workspace, deleted_at=utc_now())

        answers = [
            enroll({"identificationType": "enrollmentId", "enrollmentId": each.cuid})
            for each in (deleted, CandidateFactory())
        ]

        assert [(answer.status_code, fields(answer)) for answer in answers] == [(422, ["enrollmentId"])] * 2


class TestAnIdentification:
    @pytest.mark.parametrize("kind", ["leadId", "customerId", "enrollmentId"])
    def test_needs_its_identity(self, enroll: Any, kind: str) -> None:
        response = enroll({"identificationType": kind})

        assert (response.status_code, fields(response)) == (422, [kind])

    @pytest.mark.parametrize("kind", ["leadId", "customerId", "enrollmentId", "customerInfo"])
    def test_takes_no_second_identity(self, enroll: Any, workspace: Workspace, kind: str) -> None:
        identities = {
            "leadId": LeadFactory(workspace=workspace).cuid,
            "customerId": LearnerFactory(workspace=workspace).cuid,
            "enrollmentId": earlier(workspace).cuid,
        }
        names = SUZIE if kind == "customerInfo" else {}

        response = enroll(names | identities | {"identificationType": kind})

        assert (response.status_code, set(fields(response))) == (422, set(identities) - {kind})
        assert Enrollment.objects.count() == 1

    def test_of_an_unknown_type_is_refused(self, enroll: Any) -> None:
        assert fields(enroll(SUZIE | {"identificationType": "passport"})) == ["identificationType"]
        assert fields(enroll({})) == ["identificationType"]

    def test_of_whoever_has_a_current_enrollment_here_names_that_one(self, enroll: Any, workspace: Workspace) -> None:
        first = enroll(SUZIE).json()

        again = enroll({"identificationType": "customerId", "customerId": first["customerId"]})

        assert (again.status_code, again.json()["code"]) == (409, "already_enrolled")
        assert again.json()["enrollmentId"] == first["id"]
        assert Enrollment.objects.count() == 1

    def test_of_a_lead_that_has_a_current_enrollment_here_names_that_one(
        self, enroll: Any, workspace: Workspace
    ) -> None:
        lead = LeadFactory(workspace=workspace)
        first = enroll({"identificationType": "leadId", "leadId": lead.cuid}).json()

        again = enroll({"identificationType": "leadId", "leadId": lead.cuid})

        assert (again.status_code, again.json()["enrollmentId"]) == (409, first["id"])

    def test_with_the_same_idempotency_key_enrolls_once(self, enroll: Any) -> None:
        answers = [enroll(SUZIE, **{"Idempotency-Key": "once"}) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert Enrollment.objects.count() == 1

    @pytest.mark.parametrize("closed", ["instance", "program", "over"])
    def test_is_refused_where_nobody_can_enroll(self, enroll: Any, instance: ProgramInstance, closed: str) -> None:
        if closed == "over":
            ProgramInstance.objects.update(end_date="2020-01-01")
        else:
            row = instance if closed == "instance" else instance.program
            type(row).objects.update(active=False)

        response = enroll(SUZIE)

        assert (response.status_code, response.json()["code"]) == (409, "instance_closed")
        assert nobody_was_enrolled()

    def test_in_another_workspaces_instance_is_not_found(self, api: Api) -> None:
        theirs = InstanceFactory()

        response = api.post(f"/api/programInstances/{theirs.cuid}/enrollments", SUZIE)

        assert response.status_code == 404
        assert nobody_was_enrolled()


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {"leaf": 1}
    for _ in range(levels - 1):
        document = {"inner": document}
    return document


class TestADetail:
    @pytest.mark.parametrize(
        ("details", "field"),
        [
            ({"phone": "555-1234"}, "phone"),
            ({"phone": "+999123456789"}, "phone"),
            ({"phone": "+1415555012345678"}, "phone"),
            ({"phone": 14155550123}, "phone"),
            ({"address": {"country": "Atlantis"}}, "address.country"),
            ({"address": {"country": "XQ"}}, "address.country"),
            ({"address": {"streetOne": "x" * 201}}, "address.streetOne"),
            ({"address": {"postalCode": 10001}}, "address.postalCode"),
            ({"address": "Main Street"}, "address"),
            ({"manufacturerSlugs": ["Tesla Inc"]}, "manufacturerSlugs[0]"),
            ({"manufacturerSlugs": "tesla"}, "manufacturerSlugs"),
            ({"serialNumber": "x" * 201}, "serialNumber"),
            ({"referenceId": "x" * 201}, "referenceId"),
            ({"referenceDescription": "x" * 501}, "referenceDescription"),
            ({"tags": ["x" * 51]}, "tags[0]"),
            ({"tags": ["ok", "\u200b"]}, "tags[1]"),
            ({"tags": [f"tag{number}" for number in range(51)]}, "tags"),
            ({"metadata": nested(6)}, "metadata"),
            ({"metadata": {"long": "x" * 17_000}}, "metadata"),
            ({"metadata": ["a"]}, "metadata"),
        ],
    )
    def test_that_can_not_be_kept_is_refused_by_name(self, enroll: Any, details: dict[str, Any], field: str) -> None:
        response = enroll(SUZIE | details)

        assert (response.status_code, fields(response)) == (422, [field])
        assert nobody_was_enrolled()

    @pytest.mark.parametrize(
        ("details", "shown"),
        [
            ({"phone": "+44 (0)20 7946-0958"}, {"phone": "+442079460958"}),
            ({"phone": None}, {"phone": None}),
            ({"address": {"country": "us", "city": " Oslo "}}, {"address": {"city": "Oslo", "country": "USA"}}),
            ({"address": {}}, {"address": None}),
            ({"tags": ["a", " a ", "b"]}, {"tags": ["a", "b"]}),
            ({"tags": [f"tag{number}" for number in range(50)]}, {"tags": [f"tag{number}" for number in range(50)]}),
            ({"tags": ["x" * 50]}, {"tags": ["x" * 50]}),
            ({"metadata": nested(5)}, {"meta": nested(5)}),
            ({"metadata": {"property1": None}}, {"meta": {"property1": None}}),
            ({"metadata": {"long": "x" * 16_000}}, {"meta": {"long": "x" * 16_000}}),
        ],
    )
    def test_is_kept_in_one_spelling(self, enroll: Any, details: dict[str, Any], shown: dict[str, Any]) -> None:
        body = enroll(SUZIE | details).json()

        assert {name: body[name] for name in shown} == shown

    @pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
    def test_with_characters_that_no_database_keeps_is_refused(self, enroll: Any, text: str) -> None:
        response = enroll(SUZIE | {"metadata": {"note": text}})

        assert (response.status_code, fields(response)) == (422, ["metadata.note"])
        assert nobody_was_enrolled()


class TestAWorkspace:
    def test_enrolls_two_people_of_one_address_as_two(self, enroll: Any) -> None:
        enroll(SUZIE)
        enroll(SUZIE | {"firstName": "Sam"})

        assert Enrollment.objects.count() == Learner.objects.count() == 2

    def test_does_not_see_another_workspaces_learner_of_the_same_name(self, enroll: Any) -> None:
        LearnerFactory(workspace=WorkspaceFactory(), first_name="Suzie", last_name="Homeowner", email=SUZIE["email"])

        enroll(SUZIE)

        assert Learner.objects.count() == 2
