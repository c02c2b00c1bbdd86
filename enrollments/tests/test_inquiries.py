"""Reviewers' questions to families: the mail, the page, the answer, and what happens when none comes."""

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import StaffTask, Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from core.errors import Invalid
from enrollments.errors import AlreadyAsked, InquiryOver, NobodyToAsk, ReviewHeld
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, Inquiry, ProgramInstance
from enrollments.review.held import hold_review, undo_review
from enrollments.review.inquiries import ANSWER_WITHIN, answer_inquiry, ask_family, follow_inquiries
from enrollments.states import EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

QUESTION = "Which school does Mia go to?\nAnd which grade?"
HOSTILE = "<script>alert(1)</script> {{ settings.SECRET_KEY }} {learner}"


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(name="Riverside Academy")


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, review_mode=ReviewMode.MANUAL)


@pytest.fixture
def reviewer(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.REVIEWER)


@pytest.fixture
def enrollment(instance: ProgramInstance) -> Enrollment:
    learner = LearnerFactory(workspace=instance.workspace, first_name="Mia", email="ann@home.test")
    candidate = CandidateFactory(workspace=instance.workspace, instance=instance, learner=learner)
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())


def ask(enrollment: Enrollment, **more: Any) -> Inquiry:
    told: dict[str, Any] = {"question": QUESTION, "actor": STAFF, "now": utc_now()} | more
    return ask_family(enrollment_id=enrollment.pk, **told)


def link_in(message: Any) -> str:
    found = re.search(r"/questions/\S+", str(message.body))
    assert found is not None
    return found[0]


def desk(client: StaffClient, query: str = "") -> list[tuple[Enrollment, str]]:
    page = client.get(f"{reverse('admin:enrollments_enrollment_review')}{query}")
    return [(waiting.enrollment, waiting.mark) for waiting, *_ in page.context["rows"]]


class TestAQuestion:
    def test_is_mailed_with_the_workspaces_name_and_a_link_and_without_the_reviewers(
        self, enrollment: Enrollment, reviewer: StaffClient, mailoutbox: list[Any]
    ) -> None:
        address = reverse("admin:enrollments_enrollment_review_case", args=[enrollment.pk])

        response = reviewer.post(address, {"do": "ask", "question": QUESTION})
        send_due_notifications(now=utc_now())

        message = mailoutbox[-1]
        assert said(response) == [f"{enrollment.learner}, {enrollment.instance}: the family is asked."]
        assert (message.to, message.subject) == (["ann@home.test"], "A question about the enrollment of Mia")
        assert "Which school does Mia go to? And which grade?" in message.body
        assert "Riverside Academy" in message.body
        assert reviewer.user.first_name not in message.body
        assert Client().get(link_in(message), follow=True).status_code == 200

    def test_lets_the_case_wait_for_the_family_and_not_for_a_reviewer(
        self, enrollment: Enrollment, reviewer: StaffClient
    ) -> None:
        ask(enrollment)

        assert desk(reviewer) == []
        assert desk(reviewer, "?waits=family") == [(enrollment, "The family is asked")]

    def test_is_one_at_a_time_and_only_to_those_we_write_to(self, workspace: Workspace, enrollment: Enrollment) -> None:
        seats(workspace, total=1)
        by_integrator = route(workspace, tenant_id=1, instance=enrollment.instance).decision.enrollment
        ask(enrollment)

        with pytest.raises(AlreadyAsked):
            ask(enrollment)
        with pytest.raises(NobodyToAsk):
            ask(by_integrator)
        with pytest.raises(Invalid):
            ask(enrollment, question=" \n")
        assert (Inquiry.objects.count(), Notification.objects.filter(kind="enrollment_question").count()) == (1, 1)

    def test_is_not_asked_while_an_answer_is_held(self, enrollment: Enrollment) -> None:
        outcome = EligibilityStatus.APPROVED
        held = hold_review(enrollment_id=enrollment.pk, outcome=outcome, actor=STAFF, now=utc_now())

        with pytest.raises(ReviewHeld):
            ask(enrollment)
        assert not Inquiry.objects.exists()
        undo_review(held_review_id=held.pk, actor=STAFF, now=utc_now())
        assert ask(enrollment).status == "open"

    def test_that_is_empty_or_too_long_stays_on_the_page(self, enrollment: Enrollment, reviewer: StaffClient) -> None:
        address = reverse("admin:enrollments_enrollment_review_case", args=[enrollment.pk])

        for question in ("", "x" * 1001, "hidden\x00"):
            assert reviewer.post(address, {"do": "ask", "question": question}).status_code in (400, 422)
        assert not Inquiry.objects.exists()

    def test_is_asked_by_nobody_who_may_only_look(self, workspace: Workspace, enrollment: Enrollment) -> None:
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)
        address = reverse("admin:enrollments_enrollment_review_case", args=[enrollment.pk])

        assert viewer.post(address, {"do": "ask", "question": QUESTION}).status_code == 403
        assert not Inquiry.objects.exists()


class TestAnAnswer:
    @pytest.fixture
    def link(self, enrollment: Enrollment, mailoutbox: list[Any]) -> str:
        ask(enrollment)
        send_due_notifications(now=utc_now())
        return link_in(mailoutbox[-1])

    @pytest.mark.sqlite
    def test_brings_the_case_back_marked_and_stands_beside_it(
        self, enrollment: Enrollment, reviewer: StaffClient, link: str
    ) -> None:
        response = Client().post(link, {"answer": "Hill School.\nGrade 7."})

        case = reviewer.get(reverse("admin:enrollments_enrollment_review_case", args=[enrollment.pk])).context["case"]
        card = next(card for card in case.cards if card.title == "Questions to the family")
        assert response["Location"] == link
        assert [(row.title, row.text) for row in card.rows] == [(QUESTION, "Hill School.\nGrade 7.")]
        assert desk(reviewer) == [(enrollment, "The family has answered")]
        assert desk(reviewer, "?waits=family") == []

    def test_is_given_once(self, link: str) -> None:
        client = Client()
        client.post(link, {"answer": "Hill School."})

        again = client.post(link, {"answer": "Hill School."})
        another = client.post(link, {"answer": "Another School."})

        assert (again.status_code, another.status_code) == (302, 409)
        assert Inquiry.objects.get().answer == "Hill School."

    def test_of_a_hostile_hand_is_text(self, enrollment: Enrollment, reviewer: StaffClient, link: str) -> None:
        Client().post(link, {"answer": HOSTILE})

        for page in (
            Client().get(link, follow=True),
            reviewer.get(reverse("admin:enrollments_enrollment_review_case", args=[enrollment.pk])),
        ):
            assert "<script>alert(1)" not in page.content.decode()
            assert "&lt;script&gt;alert(1)" in page.content.decode()

    @pytest.mark.parametrize("answer", ["", " \n ", "x" * 2001, "hidden\x07"])
    def test_that_can_not_be_kept_changes_nothing(self, answer: str, link: str) -> None:
        page = Client().post(link, {"answer": answer})

        assert page.status_code == 422
        assert Inquiry.objects.get().status == "open"

    def test_after_the_decision_is_needed_no_more(self, enrollment: Enrollment, link: str) -> None:
        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        page = Client().get(link, follow=True)

        assert "This question no longer needs an answer." in page.content.decode()
        assert Client().post(link, {"answer": "Hill School."}).status_code == 409
        assert Inquiry.objects.get().answer == ""

    def test_at_a_forged_address_is_none(self, link: str) -> None:
        for address in (f"{link}x", "/questions/1", "/questions/1.abc"):
            assert Client().get(address).status_code == 404
            assert Client().post(address, {"answer": "Hill School."}).status_code == 404
        assert Inquiry.objects.get().answer == ""

    def test_names_no_learner_to_whoever_looks(self, enrollment: Enrollment, link: str) -> None:
        Inquiry.objects.update(question="Which grade?")

        page = Client().get(link, follow=True).content.decode()

        assert "Mia" not in page
        assert enrollment.learner.email not in page


class TestWhenNoAnswerComes:
    def test_the_family_is_reminded_once_and_staff_are_told_once(
        self, enrollment: Enrollment, reviewer: StaffClient, mailoutbox: list[Any]
    ) -> None:
        asked = utc_now() - dt.timedelta(days=6)
        ask(enrollment, now=asked)
        early = follow_inquiries(now=asked + dt.timedelta(days=4))

        reminded = [follow_inquiries(now=asked + dt.timedelta(days=5, hours=1)) for _ in range(2)]
        send_due_notifications(now=utc_now())
        reported = [follow_inquiries(now=asked + ANSWER_WITHIN) for _ in range(2)]

        task = StaffTask.objects.get(kind="family_did_not_answer")
        subjects = [message.subject for message in mailoutbox]
        assert (early, reminded, reported) == (0, [1, 0], [1, 0])
        assert "Still open: a question about the enrollment of Mia" in subjects
        assert (task.subject, task.workspace_id) == (f"enrollment:{enrollment.pk}", enrollment.workspace_id)
        assert desk(reviewer) == [(enrollment, "No answer in time")]

    @pytest.mark.sqlite
    def test_a_late_answer_is_taken_and_completes_the_task(self, enrollment: Enrollment) -> None:
        now = utc_now()
        inquiry = ask(enrollment, now=now)
        follow_inquiries(now=now + ANSWER_WITHIN)

        answer_inquiry(inquiry_id=inquiry.pk, answer="Hill School.", now=now + ANSWER_WITHIN)

        assert StaffTask.objects.get().status == "done"
        assert Inquiry.objects.get().status == "answered"

    def test_because_it_was_decided_nobody_is_written_to(self, enrollment: Enrollment, mailoutbox: list[Any]) -> None:
        now = utc_now()
        inquiry = ask(enrollment, now=now)
        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=now)

        followed = follow_inquiries(now=now + ANSWER_WITHIN)
        send_due_notifications(now=now)

        assert (followed, Inquiry.objects.get().status) == (1, "overtaken")
        assert not [message for message in mailoutbox if "question" in message.subject]
        assert not StaffTask.objects.exists()
        with pytest.raises(InquiryOver):
            answer_inquiry(inquiry_id=inquiry.pk, answer="Late", now=now)

    def test_the_task_is_settled_once_the_case_is_decided_without_it(self, enrollment: Enrollment) -> None:
        now = utc_now()
        ask(enrollment, now=now)
        follow_inquiries(now=now + ANSWER_WITHIN)
        waiting = StaffTask.objects.get().status
        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=now + ANSWER_WITHIN)

        follow_inquiries(now=now + ANSWER_WITHIN)

        task = StaffTask.objects.get()
        assert (waiting, task.status, task.done_at) == ("open", "done", now + ANSWER_WITHIN)
        assert Inquiry.objects.get().status == "overtaken"

    def test_the_family_can_be_asked_again_which_settles_the_task(self, enrollment: Enrollment) -> None:
        now = utc_now()
        ask(enrollment, now=now)
        late = now + ANSWER_WITHIN
        follow_inquiries(now=late)

        again = ask(enrollment, now=late)

        inquiries = Inquiry.objects.order_by("pk").values_list("status", "settled_at")
        assert list(inquiries) == [("overtaken", late), ("open", None)]
        assert StaffTask.objects.get().resolution == "The family was asked again."
        with pytest.raises(AlreadyAsked):
            ask(enrollment, now=late)
        assert answer_inquiry(inquiry_id=again.pk, answer="Hill School.", now=late).status == "answered"
