"""The reviewers' desk: who waits, the open case, and what each answer leads to."""

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, MembershipFactory, WorkspaceFactory
from accounts.twins import notice_possible_twins
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, HeldReview, OpenCase, ProgramInstance, ReviewReason
from enrollments.review.held import carry_out_due_reviews, hold_review
from enrollments.states import EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, DistrictFactory, InstanceFactory, route, seats
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db

LIST = "/admin/enrollments/enrollment/"
HELD = dt.timedelta(seconds=11)


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return InstanceFactory(workspace=workspace, review_mode=ReviewMode.MANUAL)


@pytest.fixture
def reviewer(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.REVIEWER)


def waiting(instance: ProgramInstance, **learner: Any) -> Enrollment:
    candidate = CandidateFactory(
        instance=instance,
        workspace=instance.workspace,
        learner=LearnerFactory(workspace=instance.workspace, **learner),
    )
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())


def desk(client: StaffClient, query: str = "") -> Any:
    return client.get(f"{reverse('admin:enrollments_enrollment_review')}{query}")


def case_url(enrollment: Enrollment) -> str:
    return reverse("admin:enrollments_enrollment_review_case", args=[enrollment.pk])


def answer(client: StaffClient, enrollment: Enrollment, do: str, query: str = "", **form: Any) -> Any:
    return client.post(f"{case_url(enrollment)}{query}", {"do": do, "note": "", **form})


def undo(client: StaffClient, review: HeldReview) -> Any:
    return client.post(reverse("admin:enrollments_enrollment_review_undo", args=[review.pk]))


def shown(page: Any) -> list[Enrollment]:
    return [waiting.enrollment for waiting, *_ in page.context["rows"]]


def status(enrollment: Enrollment) -> str:
    return Enrollment.objects.get(pk=enrollment.pk).eligibility_status


class TestTheLine:
    def test_begins_with_whoever_has_waited_longest_and_opens_their_case(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        first, second = waiting(instance), waiting(instance)
        CandidateFactory(instance=instance, workspace=instance.workspace)

        page = desk(reviewer)

        assert shown(page) == [first, second]
        assert page.context["case"].enrollment == first

    def test_keeps_a_workspace_together_and_goes_from_case_to_case_in_that_order(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        late = waiting(instance)
        other = waiting(InstanceFactory(review_mode=ReviewMode.MANUAL))
        MembershipFactory(workspace=other.workspace, user=reviewer.user, role=Role.REVIEWER)
        early = waiting(instance)
        Enrollment.objects.filter(pk=early.pk).update(waiting_since=late.waiting_since - dt.timedelta(days=1))

        page = desk(reviewer)
        last = reviewer.get(case_url(other))

        assert shown(page) == [early, late, other]
        assert page.context["next_url"] == case_url(late)
        assert last.context["previous_url"] == case_url(late)
        assert last.context["next_url"] == case_url(early)

    def test_shows_nobody_of_another_workspace(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        foreign = waiting(InstanceFactory(review_mode=ReviewMode.MANUAL))

        assert shown(desk(reviewer)) == []
        assert reviewer.get(case_url(foreign)).status_code == 404
        assert answer(reviewer, foreign, "approve").status_code == 404
        assert status(foreign) == "submitted"

    def test_can_be_narrowed_down_to_a_program_a_district_and_a_name(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        other = InstanceFactory(workspace=workspace, review_mode=ReviewMode.MANUAL, is_default=False)
        seats(workspace, total=1)
        seated = route(workspace, tenant_id=1, first_name="Ida", instance=instance).decision.enrollment
        elsewhere = waiting(other, first_name="Leo")
        district = seated.seats.get().allocation.district

        assert shown(desk(reviewer, f"?program={other.program_id}")) == [elsewhere]
        assert shown(desk(reviewer, f"?district={district.pk}")) == [seated]
        assert shown(desk(reviewer, "?q=le")) == [elsewhere]
        assert shown(desk(reviewer, "?q=leo+doe")) == [elsewhere]

    def test_is_not_narrowed_down_by_what_is_not_mine_and_says_so(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        mine = waiting(instance)
        foreign = DistrictFactory()

        for query in (f"?district={foreign.pk}", "?program=nonsense", "?program=" + "9" * 40):
            page = desk(reviewer, query)
            assert shown(page) == [mine]
            assert page.context["narrowed"].errors

    def test_shows_the_page_on_which_an_opened_case_stands(
        self, instance: ProgramInstance, reviewer: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("enrollments.admin.review.desk.ON_PAGE", 2)
        _, _, third = waiting(instance), waiting(instance), waiting(instance)

        assert shown(reviewer.get(case_url(third))) == [third]
        assert shown(desk(reviewer, "?page=2")) == [third]
        assert shown(desk(reviewer, "?page=nonsense"))[1:] != [third]

    def test_asks_the_same_number_of_queries_for_any_number_of_cases(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        counts = []
        for more in (2, 9):
            for _ in range(more):
                waiting(instance)
            desk(reviewer)
            with CaptureQueriesContext(connection) as queries:
                desk(reviewer)
            counts.append(len(queries))

        assert counts[0] == counts[1]
        assert counts[0] <= 50


class TestTheCase:
    def test_tells_who_asked_for_what_and_why_it_may_be_decided(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        seats(workspace, total=1)
        enrollment = route(workspace, tenant_id=1, instance=instance).decision.enrollment
        twin = LearnerFactory(workspace=workspace, first_name="Doe", last_name="Jane", email=enrollment.learner.email)
        notice_possible_twins(learner=twin)

        page = reviewer.get(case_url(enrollment))

        case = page.context["case"]
        told = {str(label): str(value) for label, value in [*case.about, *case.asked]}
        assert told["Funding"] == f"Seat of {enrollment.seats.get().allocation.district}"
        assert {card.title for card in case.cards} >= {"Eligibility", "Possible twins", "History"}
        assert case.approval == (
            f"Jane Doe takes part in {instance} from now on. The seat that was reserved is used. "
            "The family gets no mail."
        )
        left = f"The seat is free again in {enrollment.seats.get().allocation}: 1 of 1 are left then."
        assert case.rejection == f"Jane Doe is not accepted. {left} The family gets no mail."

    def test_says_whom_a_mail_goes_to(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        enrollment = waiting(instance, email="ann@home.test")

        case = reviewer.get(case_url(enrollment)).context["case"]

        assert case.rejection.endswith("is not accepted. Mails ann@home.test.")

    def test_that_waits_no_longer_says_who_decided_and_offers_the_next(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        decided, left = waiting(instance), waiting(instance)
        approve_enrollment(enrollment_id=decided.pk, actor=STAFF, now=utc_now())

        page = reviewer.get(case_url(decided))

        assert page.context["case"] is None
        assert page.context["gone"].endswith("approved it just now.")
        assert page.context["next_url"] == case_url(left)

    def test_is_shown_to_viewers_who_can_not_decide(self, workspace: Workspace, instance: ProgramInstance) -> None:
        enrollment = waiting(instance)
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)

        page = viewer.get(case_url(enrollment))

        assert "Deciding it requires the reviewer role." in page.content.decode()
        assert 'value="approve"' not in page.content.decode()
        for do in ("approve", "reject", "skip"):
            assert answer(viewer, enrollment, do, reason="No").status_code == 403
        assert status(enrollment) == "submitted"


class TestAnAnswer:
    def test_that_approves_leads_to_the_next_case_of_the_same_line(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        first, second = waiting(instance), waiting(instance)

        response = answer(reviewer, first, "approve", f"?program={instance.program_id}", note="Fits")

        held = HeldReview.objects.get(enrollment=first)
        assert response["Location"] == f"{case_url(second)}?program={instance.program_id}"
        assert (held.outcome, held.decided_by, held.note) == ("approved", f"user:{reviewer.user.pk}", "Fits")
        assert (status(first), shown(desk(reviewer))) == ("submitted", [second])

    def test_that_rejects_takes_a_reason_of_the_workspace_word_for_word(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        reason = ReviewReason.objects.create(workspace=workspace, text="The course needs grade 7.")
        enrollment = waiting(instance)

        response = answer(reviewer, enrollment, "reject", chosen=reason.pk, reason="")

        assert response["Location"] == reverse("admin:enrollments_enrollment_review")
        assert HeldReview.objects.get(enrollment=enrollment).reason == "The course needs grade 7."

    def test_that_rejects_in_own_words_prefers_them(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        reason = ReviewReason.objects.create(workspace=workspace, text="The course needs grade 7.")
        enrollment = waiting(instance)

        answer(reviewer, enrollment, "reject", chosen=reason.pk, reason="Grade 7 or a test.")

        assert HeldReview.objects.get(enrollment=enrollment).reason == "Grade 7 or a test."

    def test_that_rejects_without_a_reason_or_with_a_foreign_one_changes_nothing(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        foreign = ReviewReason.objects.create(workspace=WorkspaceFactory(), text="Theirs")
        retired = ReviewReason.objects.create(workspace=workspace, text="No longer said", is_offered=False)
        enrollment = waiting(instance)
        events = OutboxEvent.objects.count()

        for chosen in ("", foreign.pk, retired.pk, "nonsense", "9" * 40):
            page = answer(reviewer, enrollment, "reject", chosen=chosen, reason="", note="Kept")
            assert page.status_code == 422
            assert page.context["opened"] == "reject"
            assert page.context["case"].reject["note"].value() == "Kept"
        assert (status(enrollment), OutboxEvent.objects.count()) == ("submitted", events)

    def test_that_comes_too_late_says_who_was_faster(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        decided, left = waiting(instance), waiting(instance)
        approve_enrollment(enrollment_id=decided.pk, actor=STAFF, now=utc_now())

        page = answer(reviewer, decided, "reject", reason="Too late")

        assert page.status_code == 409
        assert "approved it just now." in page.context["refusal"]
        assert page.context["next_url"] == case_url(left)
        assert status(decided) == "approved"

    def test_that_skips_leaves_the_case_in_the_line(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        first, second = waiting(instance), waiting(instance)

        there = answer(reviewer, first, "skip")
        back = answer(reviewer, second, "skip")

        assert there["Location"] == case_url(second)
        assert back["Location"] == case_url(first)
        assert (status(first), status(second)) == ("submitted", "submitted")

    def test_that_is_none_of_the_buttons_changes_nothing(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        enrollment = waiting(instance)

        page = answer(reviewer, enrollment, "explode")

        assert page.status_code == 400
        assert status(enrollment) == "submitted"


class TestAHeldAnswer:
    def test_is_undone_by_a_button_and_its_case_is_open_again(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        enrollment = waiting(instance)
        answer(reviewer, enrollment, "approve")
        (notice,) = desk(reviewer).context["held"]

        response = undo(reviewer, notice.review)

        assert notice.text == f"{enrollment.learner}, {instance}: approved."
        assert response["Location"] == case_url(enrollment)
        assert said(response) == [f"{enrollment.learner}, {instance}: your answer is undone."]
        assert (HeldReview.objects.get().status, shown(desk(reviewer))) == ("undone", [enrollment])

    def test_that_was_carried_out_is_undone_no_more(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        enrollment = waiting(instance)
        answer(reviewer, enrollment, "approve")
        carry_out_due_reviews(now=utc_now() + HELD)

        page = undo(reviewer, HeldReview.objects.get())

        assert page.status_code == 409
        assert page.context["refusal"].startswith("Your answer was carried out already.")
        assert status(enrollment) == "approved"

    def test_of_a_colleague_can_not_be_undone_or_answered_again(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        enrollment = waiting(instance)
        answer(StaffClient(workspace=workspace, role=Role.REVIEWER), enrollment, "approve")

        undone = undo(reviewer, HeldReview.objects.get())
        answered = answer(reviewer, enrollment, "reject", reason="No")

        assert (undone.status_code, answered.status_code) == (404, 409)
        assert "has just approved it." in answered.context["refusal"]
        assert "has just approved it." in answered.context["gone"]
        assert HeldReview.objects.get().status == "held"

    def test_of_another_workspace_is_not_there(self, reviewer: StaffClient) -> None:
        foreign = waiting(InstanceFactory(review_mode=ReviewMode.MANUAL))
        review = hold_review(enrollment_id=foreign.pk, outcome=EligibilityStatus.APPROVED, actor=STAFF, now=utc_now())

        assert undo(reviewer, review).status_code == 404

    def test_that_came_to_nothing_is_told_while_its_case_still_waits(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        enrollment = waiting(instance)
        answer(reviewer, enrollment, "approve")
        HeldReview.objects.update(status="refused", settled_at=utc_now(), last_error="Nobody knows why.")

        (notice,) = desk(reviewer).context["refused"]

        assert notice.text == f"{enrollment.learner}, {instance}, could not be approved: Nobody knows why."


class TestWhoElseLooks:
    def test_is_told_in_the_line_and_at_the_case_and_the_next_one_is_another(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        first, second = waiting(instance), waiting(instance)
        colleague = StaffClient(workspace=workspace, role=Role.REVIEWER)
        colleague.get(case_url(first))

        page = desk(reviewer)

        name = colleague.user.get_full_name()
        assert page.context["case"].enrollment == second
        assert [others for *_, others in page.context["rows"]] == [name, ""]
        assert reviewer.get(case_url(first)).context["looking"] == name

    def test_is_forgotten_after_a_skip_and_after_a_while(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        first = waiting(instance)
        colleague = StaffClient(workspace=workspace, role=Role.REVIEWER)
        colleague.get(case_url(first))
        OpenCase.objects.update(until=utc_now())
        expired = reviewer.get(case_url(first)).context["looking"]
        colleague.get(case_url(first))

        answer(colleague, first, "skip")

        assert (expired, reviewer.get(case_url(first)).context["looking"]) == ("", "")

    def test_is_no_viewer(self, workspace: Workspace, instance: ProgramInstance) -> None:
        StaffClient(workspace=workspace, role=Role.VIEWER).get(case_url(waiting(instance)))

        assert not OpenCase.objects.exists()


class TestTheListOfThoseWhoWait:
    def test_tells_what_they_differ_by_and_leads_to_the_desk(
        self, workspace: Workspace, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        seats(workspace, total=1)
        seated = route(workspace, tenant_id=1, instance=instance).decision.enrollment
        waiting(instance, grade_level="7", school="Hill School")

        page = reviewer.get(LIST, {"waiting": "review"})

        text = page.content.decode()
        columns = [name for name in page.context["cl"].list_display if name != "action_checkbox"]
        assert columns == ["person", "instance", "grade", "school", "district", "waiting_since", "verdict", "asked"]
        for told in ("Hill School", str(seated.seats.get().allocation.district), case_url(seated)):
            assert told in text

    def test_is_searched_by_a_learners_name(self, instance: ProgramInstance, reviewer: StaffClient) -> None:
        ida = waiting(instance, first_name="Ida")
        waiting(instance, first_name="Leo")

        page = reviewer.get(LIST, {"waiting": "review", "q": "ida"})

        assert list(page.context["cl"].result_list) == [ida]

    def test_asks_the_same_number_of_queries_for_any_number_of_rows(
        self, instance: ProgramInstance, reviewer: StaffClient
    ) -> None:
        counts = []
        for more in (1, 4):
            for _ in range(more):
                waiting(instance)
            with CaptureQueriesContext(connection) as queries:
                reviewer.get(LIST, {"waiting": "review"})
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestOlderRows:
    def test_have_waited_since_they_were_submitted(self, instance: ProgramInstance) -> None:
        """The migration fills in what the history says."""
        enrollment = waiting(instance)
        before = enrollment.waiting_since
        Enrollment.objects.update(waiting_since=before + dt.timedelta(days=1))

        import_module("enrollments.migrations.0024_since_when_they_wait").fill(apps, None)

        assert (
            Enrollment.objects.get().waiting_since
            == before
            == enrollment.transitions.get(to_status="submitted").created_at
        )
