"""Editing an instance's criteria in the back office, trying them, and the verdicts on an enrollment's page."""

import json
from typing import Any

import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from core.errors import Invalid
from enrollments.eligibility.criteria import CriterionDraft, list_criteria
from enrollments.eligibility.expressions import compile_expression
from enrollments.eligibility.guide import EXAMPLES, SAMPLE
from enrollments.eligibility.trial import Trial, try_criteria, try_sample
from enrollments.eligibility.variables import VARIABLES
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import EligibilityVerdict, EnrollmentTransition, EvaluationJob, ProgramInstance
from enrollments.states import ReviewMode
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db

ADULT = CriterionDraft("Age", "metadata.age >= 18", "Too young")


def page_of(instance: ProgramInstance) -> str:
    return reverse("admin:enrollments_programinstance_edit_criteria", args=[instance.pk])


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory(review_mode=ReviewMode.MANUAL)


@pytest.fixture
def admin(instance: ProgramInstance) -> StaffClient:
    return StaffClient(workspace=instance.workspace, role=Role.ADMIN)


def filled(*drafts: CriterionDraft, sample: str = "", **more: object) -> dict[str, Any]:
    fields = ("name", "expression", "otherwise", "because")
    texts = {f"{name}_{row}": getattr(draft, name) for row, draft in enumerate(drafts) for name in fields}
    return {"rows": len(drafts), "sample": sample, **texts, **more}


def enroll(instance: ProgramInstance, *, age: int | None, to: str = "candidate") -> None:
    metadata = {} if age is None else {"age": age}
    made = CandidateFactory(instance=instance, workspace=instance.workspace, metadata=metadata)
    if to != "candidate":
        evaluate_enrollment(
            enrollment_id=made.pk, actor=STAFF, is_eligible=to != "ineligible", reason="By hand", now=utc_now()
        )
    if to == "submitted":
        submit_enrollment(enrollment_id=made.pk, actor=STAFF, now=utc_now())


def tried(instance: ProgramInstance, *drafts: CriterionDraft, **more: Any) -> Trial:
    return try_criteria(instance=instance, drafts=drafts, now=utc_now(), **more)


class TestTheExamples:
    @pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.meaning)
    def test_are_expressions(self, example: Any) -> None:
        assert compile_expression(example.expression).text == example.expression

    def test_are_ten(self) -> None:
        assert len({example.expression for example in EXAMPLES}) == 10

    def test_come_with_a_sample_that_can_be_tried(self, instance: ProgramInstance) -> None:
        draft = CriterionDraft("Area", EXAMPLES[0].expression, "Elsewhere")

        verdict = try_sample(instance=instance, drafts=[draft], sample=json.loads(SAMPLE), now=utc_now())

        assert verdict.is_eligible


class TestTryingCriteria:
    def test_says_what_everybody_would_become_and_why(self, instance: ProgramInstance) -> None:
        for status in ("candidate", "eligible", "ineligible", "submitted"):
            for age in (17, 18, None):
                enroll(instance, age=age, to=status)

        trial = tried(instance, ADULT)

        assert (trial.total, trial.tried) == (12, 12)
        assert trial.counts == {"eligible": 4, "ineligible": 4, "undecided": 4}
        assert trial.changed == {
            ("candidate", "eligible"): 1,
            ("candidate", "ineligible"): 1,
            ("eligible", "ineligible"): 1,
            ("ineligible", "eligible"): 1,
        }
        assert [prospect.changes for prospect in trial.prospects] == [True] * 4 + [False] * 8

    @pytest.mark.sqlite
    def test_writes_nothing(self, instance: ProgramInstance) -> None:
        enroll(instance, age=17)

        tried(instance, ADULT)

        assert EnrollmentTransition.objects.count() == EligibilityVerdict.objects.count() == 0
        assert OutboxEvent.objects.count() == 0
        assert list_criteria(instance.pk) == []

    def test_stops_at_the_newest_of_many(self, instance: ProgramInstance) -> None:
        for age in (17, 18, 19):
            enroll(instance, age=age)

        trial = tried(instance, ADULT, at_most=2)

        assert (trial.total, trial.tried, trial.counts["eligible"]) == (3, 2, 2)

    def test_refuses_what_could_not_be_saved(self, instance: ProgramInstance) -> None:
        with pytest.raises(Invalid) as refusal:
            tried(instance, CriterionDraft("Age", "metadata.age >", "Too young"))

        assert refusal.value.errors[0].field == "criteria[0].expression"

    def test_refuses_a_sample_of_what_nobody_can_ask_about(self, instance: ProgramInstance) -> None:
        with pytest.raises(Invalid) as refusal:
            try_sample(instance=instance, drafts=[ADULT], sample={"metadatum": 1}, now=utc_now())

        assert refusal.value.errors[0].detail == "There is no such variable (did you mean metadata?)."


class TestThePlayground:
    def test_shows_the_criteria_with_the_variables_and_the_examples(
        self, instance: ProgramInstance, admin: StaffClient
    ) -> None:
        set_criterion(instance, "metadata.age >= 18")

        page = admin.get(page_of(instance)).content.decode()

        assert "metadata.age &gt;= 18" in page
        assert [name for name in VARIABLES if f">{name}</code>" not in page] == []

    def test_tries_a_sample_and_everybody_and_keeps_what_was_typed(
        self, instance: ProgramInstance, admin: StaffClient
    ) -> None:
        enroll(instance, age=17)

        page = admin.post(page_of(instance), filled(ADULT, sample='{"metadata": {"age": 30}}')).content.decode()

        assert "Meets all criteria" in page
        assert "from candidate to ineligible" in page
        assert page.count("Too young") == 2  # in the form and next to the learner
        assert list_criteria(instance.pk) == []

    @pytest.mark.sqlite
    def test_saves_a_new_version_in_the_order_that_was_given(
        self, instance: ProgramInstance, admin: StaffClient
    ) -> None:
        other = CriterionDraft("School", "school != ''", "No school")
        empty = CriterionDraft("", "", "")

        answer = admin.post(
            page_of(instance),
            filled(ADULT, empty, other, _save_criteria="1", order_0="2", order_2="1"),
            follow=True,
        )

        assert "Saved as version 2" in " ".join(said(answer))
        assert [criterion.name for criterion in list_criteria(instance.pk)] == ["School", "Age"]

    def test_puts_each_fault_beside_its_field_and_saves_nothing(
        self, instance: ProgramInstance, admin: StaffClient
    ) -> None:
        faulty = CriterionDraft("Area", "adress.city == ''", "Elsewhere")

        answer = admin.post(page_of(instance), filled(ADULT, faulty, _save_criteria="1", order_0="2", order_1="1"))

        form = answer.context["form"]
        assert list(form.errors) == ["expression_1"]
        assert "did you mean address?" in form.errors["expression_1"][0]
        assert list_criteria(instance.pk) == []

    @pytest.mark.parametrize(
        ("sample", "said_of_it"),
        [("{", "This is not JSON"), ("[1]", "Give one JSON object"), ('{"x": 1}', "There is no such variable")],
    )
    def test_says_what_is_wrong_with_a_sample(
        self, instance: ProgramInstance, admin: StaffClient, sample: str, said_of_it: str
    ) -> None:
        answer = admin.post(page_of(instance), filled(ADULT, sample=sample))

        assert said_of_it in answer.context["form"].errors["sample"][0]

    @pytest.mark.parametrize("rows", ["", "-1", "x", "999999", "٣"])
    def test_takes_any_number_of_rows_for_what_it_is(
        self, instance: ProgramInstance, admin: StaffClient, rows: str
    ) -> None:
        assert admin.post(page_of(instance), filled(ADULT) | {"rows": rows}).status_code == 200

    def test_is_for_admins(self, instance: ProgramInstance) -> None:
        reviewer = StaffClient(workspace=instance.workspace, role=Role.REVIEWER)

        answer = reviewer.post(page_of(instance), filled(ADULT, _save_criteria="1"))

        assert answer.status_code == 403
        assert list_criteria(instance.pk) == []


class TestThePageOfAnEnrollment:
    def test_explains_the_verdict_with_each_criterion(self, instance: ProgramInstance, admin: StaffClient) -> None:
        set_criterion(instance, "metadata.age >= 18", otherwise="Too young")
        candidate = CandidateFactory(instance=instance, workspace=instance.workspace, metadata={"age": 17, "iq": 140})
        evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())

        page = admin.get(reverse("admin:enrollments_enrollment_change", args=[candidate.pk])).content.decode()

        assert "By version 2 of the criteria" in page
        assert "Too young · metadata.age &gt;= 18 · with metadata.age = 17" in page


class TestTheButton:
    def test_evaluates_all_candidates_in_the_background(self, instance: ProgramInstance, admin: StaffClient) -> None:
        enroll(instance, age=17)

        answer = admin.confirm(reverse("admin:enrollments_programinstance_evaluate_candidates", args=[instance.pk]), {})

        assert "Candidates being evaluated: 1." in " ".join(said(answer))
        assert EvaluationJob.objects.get().status == "queued"
