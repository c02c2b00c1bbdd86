"""The sets of criteria of a program instance, and their verdicts."""

import datetime as dt
from typing import Any

import pytest

from accounts.models import StaffTask
from core.errors import Invalid
from enrollments.deletion import delete_enrollment
from enrollments.eligibility.criteria import MAX_CRITERIA, CriterionDraft, change_criteria, list_criteria
from enrollments.errors import CriteriaUnchanged, EnrollmentOver, Ineligible, NotEvaluated
from enrollments.lifecycle import evaluate_enrollment, reconsider_enrollment
from enrollments.models import Criterion, EligibilityVerdict, Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.purchase import begin_purchase
from enrollments.tests.criteria import set_criteria, set_criterion
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, route, seats
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 1, 3, 30, tzinfo=dt.UTC)
ADULT = CriterionDraft("Age", "metadata.age >= 18", "Too young", "Old enough")
LOCAL = CriterionDraft("Area", "address.state == 'NY'", "Outside the service area")
NAMED = CriterionDraft("School", "email.endsWith('@school.test')", "Not at our school", "At our school")


def change(instance: ProgramInstance, *drafts: CriterionDraft) -> ProgramInstance:
    return change_criteria(instance_id=instance.pk, drafts=drafts, actor=STAFF, now=NOW)


def evaluated(instance: ProgramInstance, *, now: dt.datetime = NOW, **fields: object) -> Enrollment:
    enrollment = CandidateFactory(instance=instance, workspace=instance.workspace, **fields)
    return evaluate(enrollment, now=now)


def evaluate(enrollment: Enrollment, *, now: dt.datetime = NOW) -> Enrollment:
    evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=now)
    return Enrollment.objects.get(pk=enrollment.pk)


def newest_verdict(enrollment: Enrollment) -> EligibilityVerdict:
    verdict = enrollment.verdicts.order_by("-id").first()
    assert verdict is not None
    return verdict


def asked(enrollment: Enrollment) -> list[tuple[str, Any, Any]]:
    return [(one["name"], one["inputs"], one["answer"]) for one in newest_verdict(enrollment).answers]


class TestChangingCriteria:
    def test_makes_a_new_version_and_keeps_the_old_one(self) -> None:
        instance = InstanceFactory()
        change(instance, ADULT)

        changed = change(instance, ADULT, NAMED)

        assert changed.criteria_version == 3
        assert [criterion.name for criterion in list_criteria(instance.pk)] == ["Age", "School"]
        assert [criterion.name for criterion in list_criteria(instance.pk, 2)] == ["Age"]

    @pytest.mark.sqlite
    def test_to_the_same_set_changes_nothing(self) -> None:
        instance = InstanceFactory()
        change(instance, ADULT)
        spaced = CriterionDraft(" Age ", "metadata.age >= 18\n", "Too young ", " Old enough")

        again = change(instance, spaced)

        assert again.criteria_version == 2
        assert Criterion.objects.count() == 1

    def test_to_another_order_is_a_change(self) -> None:
        instance = InstanceFactory()
        change(instance, ADULT, NAMED)

        change(instance, NAMED, ADULT)

        assert [criterion.name for criterion in list_criteria(instance.pk)] == ["School", "Age"]

    def test_to_none_lets_everybody_in(self) -> None:
        instance = InstanceFactory()
        change(instance, ADULT)

        change(instance)

        assert list_criteria(instance.pk) == []
        assert evaluated(instance).eligibility_status == "eligible"

    def test_names_every_field_that_is_wrong(self) -> None:
        instance = InstanceFactory()

        with pytest.raises(Invalid) as refusal:
            change(
                instance,
                ADULT,
                CriterionDraft("Age", "adress.city == ''", ""),
                CriterionDraft("", "true", "x" * 301, "a\u202e"),
            )

        assert [(error.field, error.code) for error in refusal.value.errors] == [
            ("criteria[1].otherwise", "blank"),
            ("criteria[1].name", "duplicate"),
            ("criteria[1].expression", "invalid_expression"),
            ("criteria[2].name", "blank"),
            ("criteria[2].otherwise", "max_length"),
            ("criteria[2].because", "invalid"),
        ]
        assert refusal.value.errors[2].detail == (
            "Line 1, column 1: expected a variable that exists, found adress (did you mean address?)."
        )
        instance.refresh_from_db()
        assert (instance.criteria_version, Criterion.objects.count()) == (1, 0)

    def test_takes_a_limited_number(self) -> None:
        drafts = [CriterionDraft(f"C{number}", "true", "No") for number in range(MAX_CRITERIA + 1)]

        with pytest.raises(Invalid) as refusal:
            change(InstanceFactory(), *drafts)

        assert refusal.value.errors[0].code == "too_many"


class TestAVerdict:
    def test_has_each_criterion_with_the_inputs_it_read_and_its_answer(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT, NAMED)

        enrollment = evaluated(instance, learner__email="jane@school.test", metadata={"age": 20, "secret": "x"})

        verdict = newest_verdict(enrollment)
        assert (verdict.outcome, verdict.reason, verdict.criteria_version) == (
            "eligible",
            "Old enough; At our school",
            2,
        )
        assert verdict.answers == [
            {
                "name": "Age",
                "expression": "metadata.age >= 18",
                "inputs": {"metadata.age": 20},
                "answer": True,
                "reason": "Old enough",
            },
            {
                "name": "School",
                "expression": "email.endsWith('@school.test')",
                "inputs": {"email": "jane@school.test"},
                "answer": True,
                "reason": "At our school",
            },
        ]
        assert (verdict.actor, verdict.created_at) == ("user:1", NOW)

    def test_without_reasons_to_give_says_that_all_are_met(self) -> None:
        enrollment = evaluated(set_criterion(InstanceFactory(), "true"))

        assert enrollment.eligibility_reason == "Meets all criteria"

    def test_against_somebody_gives_the_reason_of_the_first_that_does_not_hold(self) -> None:
        instance = set_criteria(InstanceFactory(), NAMED, ADULT, LOCAL)

        enrollment = evaluated(instance, learner__email="jane@school.test", metadata={"age": 17})

        assert (enrollment.eligibility_status, enrollment.eligibility_reason) == ("ineligible", "Too young")
        assert [answer for _, _, answer in asked(enrollment)] == [True, False, None]

    def test_takes_the_day_from_the_workspace(self) -> None:
        instance = set_criterion(InstanceFactory(workspace__timezone="America/Chicago"), "today == '2026-08-31'")

        assert evaluated(instance, now=NOW).eligibility_status == "eligible"

    @pytest.mark.sqlite
    def test_knows_the_other_enrollments_of_the_learner(self) -> None:
        instance = set_criterion(
            InstanceFactory(), "enrollments.exists(other, other.programCode == 'ART' && other.status == 'candidate')"
        )
        enrollment = CandidateFactory(instance=instance, workspace=instance.workspace)
        art = InstanceFactory(workspace=instance.workspace, program__code="ART", is_default=False)
        CandidateFactory(instance=art, workspace=instance.workspace, learner=enrollment.learner)

        assert evaluate(enrollment).eligibility_status == "eligible"
        assert asked(enrollment)[0][1] == {"enrollments": [{"programCode": "ART", "status": "candidate"}]}

    def test_without_criteria_leaves_no_row(self) -> None:
        assert evaluated(InstanceFactory()).verdicts.count() == 0

    def test_by_a_person_is_kept_with_their_reason(self) -> None:
        enrollment = CandidateFactory()

        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, is_eligible=False, reason="Moved away", now=NOW)

        verdict = newest_verdict(enrollment)
        assert (verdict.outcome, verdict.reason, verdict.answers) == ("ineligible", "Moved away", [])


class TestOneThatCouldNotBeEvaluated:
    def test_stays_a_candidate_with_one_task_for_staff(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)

        enrollment = evaluated(instance)
        evaluate(enrollment)

        assert (enrollment.eligibility_status, enrollment.criteria_version) == ("candidate", 0)
        assert enrollment.eligibility_reason == "Age could not be evaluated: metadata.age is missing"
        assert [(v.outcome, v.reason) for v in enrollment.verdicts.all()] == [
            ("undecided", enrollment.eligibility_reason)
        ] * 2
        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("enrollment_not_evaluated", f"enrollment:{enrollment.pk}")
        assert (EnrollmentTransition.objects.count(), OutboxEvent.objects.count()) == (0, 0)

    def test_stays_eligible_if_it_was(self) -> None:
        instance = InstanceFactory()
        enrollment = evaluated(instance)
        set_criteria(instance, ADULT)

        after = evaluate(enrollment)

        assert (after.eligibility_status, after.criteria_version) == ("eligible", 1)
        assert StaffTask.objects.count() == 1

    def test_is_settled_by_deleting_it(self) -> None:
        enrollment = evaluated(set_criteria(InstanceFactory(), ADULT))
        waiting = StaffTask.objects.get().status

        delete_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=NOW)

        assert (waiting, StaffTask.objects.get().status) == ("open", "done")

    def test_is_settled_by_a_later_evaluation_that_decides(self) -> None:
        enrollment = evaluated(set_criteria(InstanceFactory(), ADULT))
        Enrollment.objects.filter(pk=enrollment.pk).update(metadata={"age": 18})

        after = evaluate(enrollment)

        assert after.eligibility_status == "eligible"
        assert StaffTask.objects.get().status == "done"

    def test_is_settled_by_the_word_of_a_person(self) -> None:
        enrollment = evaluated(set_criteria(InstanceFactory(), ADULT))

        evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, is_eligible=True, note="Saw the papers", now=NOW)

        assert StaffTask.objects.get().status == "done"

    def test_is_refused_by_the_router_and_kept_as_a_candidate(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)

        routed = route(instance.workspace, tenant_id=None, guardian_id="g1")
        again = route(instance.workspace, tenant_id=None, guardian_id="g1")

        assert isinstance(routed.refusal, NotEvaluated)
        assert (routed.refusal.status, routed.refusal.code) == (422, "not_evaluated")
        assert (routed.decision.status, routed.decision.reason) == ("failed", "not_evaluated")
        assert again.decision.pk == routed.decision.pk
        assert Enrollment.objects.get().eligibility_status == "candidate"
        assert StaffTask.objects.count() == 1

    @pytest.mark.sqlite
    def test_whose_expression_is_read_no_longer_is_no_error(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)
        Criterion.objects.update(expression="no longer(")

        enrollment = evaluated(instance)

        assert enrollment.eligibility_status == "candidate"
        assert asked(enrollment) == [("Age", {}, None)]


class TestTheRouter:
    def test_asks_the_same_criteria_and_keeps_the_verdict(self) -> None:
        instance = set_criteria(InstanceFactory(), NAMED)

        routed = route(instance.workspace, email="jane@home.test", tenant_id=None, guardian_id="g1")

        assert isinstance(routed.refusal, Ineligible)
        assert asked(routed.decision.enrollment) == [("School", {"email": "jane@home.test"}, False)]
        assert routed.decision.trace[0]["rule"] == "eligibility.criterion"

    def test_evaluates_again_once_it_is_told_what_was_missing(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)
        seats(instance.workspace, total=1)
        refused = route(instance.workspace)

        routed = route(instance.workspace, additional_info={"age": 30})

        assert routed.decision.status == "completed"
        assert refused.decision.enrollment_id == routed.decision.enrollment_id
        assert Enrollment.objects.get().metadata == {"age": 30}
        assert StaffTask.objects.get().status == "done"

    def test_enrolls_anew_whom_it_refused_and_paid_back_once_the_criteria_changed(self, stripe: Any) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)
        refused = route(instance.workspace, tenant_id=None, guardian_id="g1", additional_info={"age": 17})
        Enrollment.objects.update(eligibility_status="rejected", payment_status="refunded")
        set_criterion(instance, "metadata.age >= 16")

        routed = route(instance.workspace, tenant_id=None, guardian_id="g1", additional_info={"age": 17})

        again = routed.decision.enrollment
        assert (routed.refusal, routed.decision.status) == (None, "checkout_required")
        assert (again.previous_id, again.payment_status) == (refused.decision.enrollment_id, "pending")
        assert Enrollment.objects.get(pk=again.previous_id).participation_status == "withdrawn"

    def test_sells_anew_to_whom_it_refused_and_paid_back_once_the_criteria_changed(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)
        refused = evaluated(instance, metadata={"age": 17})
        Enrollment.objects.update(eligibility_status="rejected", payment_status="refunded")
        set_criterion(instance, "true")

        bought = begin_purchase(learner=refused.learner, instance=instance, actor=STAFF, now=NOW)

        assert (bought.previous, bought.payment_status) == (refused, "pending")

    @pytest.mark.sqlite
    def test_keeps_refusing_whom_it_paid_back_while_the_criteria_are_the_same(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)
        route(instance.workspace, tenant_id=None, guardian_id="g1", additional_info={"age": 17})
        Enrollment.objects.update(eligibility_status="rejected", payment_status="refunded")

        routed = route(instance.workspace, tenant_id=None, guardian_id="g1", additional_info={"age": 17})

        assert isinstance(routed.refusal, Ineligible)
        assert Enrollment.objects.count() == 1


class TestReconsidering:
    @pytest.mark.parametrize("payment", ["paid", "partially_refunded", "refunded"])
    def test_is_not_possible_once_the_money_goes_back(self, payment: str) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)
        enrollment = evaluated(instance, metadata={"age": 17})
        Enrollment.objects.update(eligibility_status="rejected", payment_status=payment)
        set_criterion(instance, "metadata.age >= 16")

        with pytest.raises(EnrollmentOver):
            reconsider_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=NOW)

        assert Enrollment.objects.get().eligibility_status == "rejected"

    def test_is_possible_only_after_the_criteria_moved_on(self) -> None:
        instance = set_criteria(InstanceFactory(), ADULT)
        enrollment = evaluated(instance, metadata={"age": 17})

        with pytest.raises(CriteriaUnchanged):
            reconsider_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=NOW)
        set_criteria(instance, ADULT)  # the same criteria
        with pytest.raises(CriteriaUnchanged):
            reconsider_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=NOW)
        set_criterion(instance, "metadata.age >= 16")
        reconsider_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=NOW)

        assert evaluate(enrollment).eligibility_status == "eligible"
        assert [verdict.criteria_version for verdict in enrollment.verdicts.order_by("id")] == [2, 3]
