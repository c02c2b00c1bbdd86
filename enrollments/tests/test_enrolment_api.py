"""The enrolment service's API on the platform's enrollments: its document's examples, and every row of its table."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory, bearer
from core.clock import utc_now
from enrollments.api.enrolment import health
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from enrollments.tests.integrators import Api, fields
from events.models import OutboxEvent
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

USER = "63a1f1234abc5678def12345"


@pytest.fixture
def course() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory()
    return made


@pytest.fixture
def learner(course: ProgramInstance) -> Learner:
    made: Learner = LearnerFactory(workspace=course.workspace, external_id=USER, email="mia@home.test")
    return made


@pytest.fixture
def api(course: ProgramInstance, learner: Learner) -> Api:
    return Api(course.workspace)


def create(api: Api, course: ProgramInstance, **changes: Any) -> Any:
    return api.post("/api/enrolment", {"course_id": course.pk, "user_id": USER} | changes)


def document(enrollment: Enrollment, **changes: Any) -> dict[str, Any]:
    known = {
        "id": enrollment.pk,
        "user_id": USER,
        "course_id": enrollment.instance_id,
        "status": "active",
        "payment_status": "pending",
        "invoice_url": None,
    }
    return known | changes


class TestPostEnrolment:
    def test_answers_as_the_document_s_example(self, api: Api, course: ProgramInstance) -> None:
        answer = api.post("/api/enrolment/", {"course_id": course.pk, "user_id": USER})

        assert answer.status_code == 201
        assert list(answer.json()) == ["id", "user_id", "course_id", "status", "payment_status", "invoice_url"]
        assert answer.json() == document(Enrollment.objects.get())

    def test_approves_and_starts_it_at_once_by_its_history(self, api: Api, course: ProgramInstance) -> None:
        ProgramInstance.objects.filter(pk=course.pk).update(review_mode=ReviewMode.MANUAL)

        create(api, course)

        moves = list(EnrollmentTransition.objects.order_by("number").values_list("facet", "to_status"))
        assert moves == [
            ("eligibility", "eligible"),
            ("eligibility", "submitted"),
            ("payment", "pending"),
            ("eligibility", "approved"),
            ("participation", "active"),
        ]
        told = OutboxEvent.objects.order_by("sequence").values_list("type", flat=True)
        assert list(told) == ["enrollment.created"] + ["enrollment.status_changed"] * 5

    def test_asks_nothing_where_the_course_has_no_price(self, api: Api, course: ProgramInstance) -> None:
        ProgramInstance.objects.filter(pk=course.pk).update(price=None)

        assert create(api, course).json()["payment_status"] == "not_required"

    def test_sends_the_family_one_confirmation(self, api: Api, course: ProgramInstance) -> None:
        create(api, course)

        send_due_notifications(now=utc_now())
        (letter,) = mail.outbox
        assert Notification.objects.get().kind == "enrollment_on_account"
        assert letter.to == ["mia@home.test"]
        assert "49.00 USD is to be paid for it." in letter.body
        assert "49.00 USD is to be paid for it." in str(letter.alternatives[0].content)  # type: ignore[attr-defined]

    def test_refuses_a_second_current_one(self, api: Api, course: ProgramInstance) -> None:
        first = create(api, course).json()

        answer = create(api, course)

        assert (answer.status_code, answer.json()["code"]) == (409, "already_enrolled")
        assert f"Enrolment {first['id']} " in answer.json()["detail"]
        assert Enrollment.objects.count() == 1

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"course_id": 999_999}, "course_id"),
            ({"user_id": "nobody"}, "user_id"),
            ({"course_id": "1"}, "course_id"),
            ({"user_id": 7}, "user_id"),
        ],
    )
    def test_names_the_field_that_leads_to_nothing(
        self, api: Api, course: ProgramInstance, body: dict[str, Any], field: str
    ) -> None:
        answer = create(api, course, **body)

        assert (answer.status_code, fields(answer)) == (422, [field])
        assert not Enrollment.objects.exists()

    def test_knows_no_course_and_no_user_of_another_workspace(self, course: ProgramInstance, learner: Learner) -> None:
        elsewhere = InstanceFactory()

        foreign_course = create(Api(course.workspace), elsewhere)
        foreign_user = create(Api(elsewhere.workspace), elsewhere)

        assert (foreign_course.status_code, fields(foreign_course)) == (422, ["course_id"])
        assert (foreign_user.status_code, fields(foreign_user)) == (422, ["user_id"])

    def test_refuses_whom_the_criteria_refuse_and_keeps_nothing(self, api: Api, course: ProgramInstance) -> None:
        area = CriterionDraft(name="Area", expression="address.state == 'NY'", otherwise="Outside the area", because="")
        change_criteria(instance_id=course.pk, drafts=[area], actor=STAFF, now=utc_now())
        Learner.objects.update(address={"state": "NJ"})

        answer = create(api, course)

        assert (answer.status_code, answer.json()["code"]) == (422, "ineligible")
        assert not Enrollment.objects.exists()

    def test_refuses_one_more_than_there_is_room_for(self, api: Api, course: ProgramInstance) -> None:
        ProgramInstance.objects.filter(pk=course.pk).update(capacity=0)

        assert (create(api, course).status_code, create(api, course).json()["code"]) == (409, "instance_full")

    def test_refuses_a_course_that_is_over(self, api: Api, course: ProgramInstance) -> None:
        ProgramInstance.objects.filter(pk=course.pk).update(end_date=dt.date(2020, 1, 1))

        assert (create(api, course).status_code, create(api, course).json()["code"]) == (409, "instance_closed")

    def test_replays_its_answer_for_the_same_idempotency_key(self, api: Api, course: ProgramInstance) -> None:
        body = {"course_id": course.pk, "user_id": USER}
        first, second = (api.post("/api/enrolment", body, **{"Idempotency-Key": "k"}) for _ in range(2))

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()


class TestGetEnrolment:
    def test_shows_it(self, api: Api, course: ProgramInstance) -> None:
        number = create(api, course).json()["id"]

        answer = api.get(f"/api/enrolment/{number}")

        assert (answer.status_code, answer.json()) == (200, document(Enrollment.objects.get()))

    def test_shows_what_another_surface_made(self, api: Api, course: ProgramInstance) -> None:
        made = CandidateFactory(instance=course, workspace=course.workspace)

        answer = api.get(f"/api/enrolment/{made.pk}")

        assert answer.json() == document(made, user_id=made.learner.external_id, payment_status="not_required")

    def test_is_shown_by_the_other_surfaces(self, api: Api, course: ProgramInstance) -> None:
        create(api, course)

        enrollment = Enrollment.objects.get()
        shown = api.get(f"/api/enrollments/{enrollment.cuid}").json()
        assert (shown["eligibility"]["status"], shown["participationStatus"]) == ("approved", "active")
        assert shown["paymentStatus"] == "pending"

    def test_is_cancelled_once_the_learner_has_left(self, api: Api, course: ProgramInstance) -> None:
        number = create(api, course).json()["id"]
        unenroll_enrollment(enrollment_id=number, reason="Moved away", actor=STAFF, now=utc_now())

        assert api.get(f"/api/enrolment/{number}").json()["status"] == "cancelled"

    @pytest.mark.parametrize("number", ["999999", "0", "99999999999999999999", "abc", "-1"])
    def test_knows_no_other(self, api: Api, number: str) -> None:
        assert api.get(f"/api/enrolment/{number}").status_code == 404

    def test_knows_none_of_another_workspace(self, api: Api) -> None:
        foreign = CandidateFactory()

        assert api.get(f"/api/enrolment/{foreign.pk}").status_code == 404


class TestGetDetails:
    @pytest.mark.sqlite
    def test_shows_the_user_s_enrolment(self, api: Api, course: ProgramInstance) -> None:
        number = create(api, course).json()["id"]

        answer = api.get(f"/api/enrolment/{number}/details", user_id=USER)

        assert (answer.status_code, answer.json()) == (200, document(Enrollment.objects.get()))

    def test_hides_it_from_another_user(self, api: Api, course: ProgramInstance) -> None:
        number = create(api, course).json()["id"]
        LearnerFactory(workspace=course.workspace, external_id="other")

        assert api.get(f"/api/enrolment/{number}/details", user_id="other").status_code == 404

    def test_needs_the_user(self, api: Api, course: ProgramInstance) -> None:
        number = create(api, course).json()["id"]

        answer = api.get(f"/api/enrolment/{number}/details")

        assert (answer.status_code, fields(answer)) == (400, ["user_id"])


class TestGetActive:
    @pytest.mark.sqlite
    def test_lists_what_is_current(self, api: Api, course: ProgramInstance) -> None:
        number = create(api, course).json()["id"]
        left = CandidateFactory(instance=course, workspace=course.workspace)
        Enrollment.objects.filter(pk=left.pk).update(participation_status="withdrawn")
        CandidateFactory()  # in another workspace

        answer = api.get("/api/enrolment/active")

        assert answer.json() == {"enrolments": [document(Enrollment.objects.get(pk=number))]}
        assert answer["X-Total-Count"] == "1"

    @pytest.mark.sqlite
    def test_is_paged(self, api: Api, course: ProgramInstance) -> None:
        made = [CandidateFactory(instance=course, workspace=course.workspace) for _ in range(3)]

        answer = api.get("/api/enrolment/active", limit=1, offset=1)

        assert [each["id"] for each in answer.json()["enrolments"]] == [made[1].pk]
        assert answer["X-Total-Count"] == "3"
        assert api.get("/api/enrolment/active", limit=501).status_code == 422

    def test_asks_the_database_as_often_for_many_as_for_one(self, api: Api, course: ProgramInstance) -> None:
        counts: list[int] = []
        for _ in range(2):
            for _ in range(len(counts) * 11 + 1):
                CandidateFactory(instance=course, workspace=course.workspace)
            api.get("/api/enrolment/active")  # the key is recorded
            with CaptureQueriesContext(connection) as queries:
                api.get("/api/enrolment/active")
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestDeleteEnrolment:
    def test_hides_it_and_keeps_the_record(self, api: Api, course: ProgramInstance) -> None:
        number = create(api, course).json()["id"]

        answer = api.delete(f"/api/enrolment/{number}")

        assert answer.status_code == 204
        assert api.get(f"/api/enrolment/{number}").status_code == 404
        assert api.delete(f"/api/enrolment/{number}").status_code == 404
        assert Enrollment.objects.get().deleted_at is not None
        assert EnrollmentTransition.objects.filter(enrollment=number).count() == 7

    def test_lets_the_learner_enroll_again(self, api: Api, course: ProgramInstance) -> None:
        first = create(api, course).json()["id"]
        api.delete(f"/api/enrolment/{first}")

        second = create(api, course)

        assert second.status_code == 201
        assert second.json()["id"] != first

    def test_gives_the_seat_back(self, api: Api, course: ProgramInstance) -> None:
        allocation = seats(course.workspace, total=1)
        routed = route(course.workspace, instance=course)

        api.delete(f"/api/enrolment/{routed.decision.enrollment_id}")

        allocation.refresh_from_db()
        assert (allocation.reserved_seats, allocation.used_seats) == (0, 0)


class TestGetHealth:
    def test_says_that_service_and_database_are_up(self, client: Any) -> None:
        answer = client.get("/api/enrolment/health")

        assert answer.status_code == 200
        assert answer.json() == {"status": "healthy", "service": "enrolment-service", "database": "ok"}

    def test_says_503_while_the_database_is_down(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        class Down:
            def cursor(self) -> Any:
                raise DatabaseError

        monkeypatch.setattr(health, "connection", Down())

        answer = client.get("/api/enrolment/health")

        assert (answer.status_code, answer.json()["database"]) == (503, "unavailable")


class TestScopes:
    def test_reading_opens_no_writing(self, api: Api, course: ProgramInstance) -> None:
        api.headers = bearer(workspace=course.workspace, scopes=["enrollments:read"])

        assert create(api, course).status_code == 403
