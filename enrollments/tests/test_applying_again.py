"""A person who was refused fills in the form again."""

import pytest

from core.clock import utc_now
from enrollments.application.confirm import confirm_application
from enrollments.errors import EnrollmentOver
from enrollments.lifecycle import reconsider_enrollment, reject_enrollment
from enrollments.models import Enrollment
from enrollments.tests.applicants import answer_to, apply, ask, fill_in, instance_with_form, mailed_link
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, InstancePriceFactory

pytestmark = pytest.mark.django_db


class TestApplyingAgain:
    """After a refusal, the new answers are evaluated, and the refusal stays as it was."""

    def test_after_a_rejection_is_a_new_enrollment_linked_to_the_one_before(self) -> None:
        instance = instance_with_form()
        question = ask(instance)
        apply(instance, **answer_to(question, "First"))
        refused = Enrollment.objects.get()
        reject_enrollment(enrollment_id=refused.pk, actor=STAFF, reason="Send a report first", now=utc_now())

        response = apply(instance, **answer_to(question, "Second"))

        again = Enrollment.objects.exclude(pk=refused.pk).get()
        assert response.status_code == 302
        assert (again.previous, again.learner, again.eligibility_status) == (refused, refused.learner, "submitted")
        assert again.metadata == {"answers": {question.key: "Second"}}
        before = Enrollment.objects.get(pk=refused.pk)
        assert (before.eligibility_status, before.participation_status) == ("rejected", "withdrawn")
        assert (before.eligibility_reason, before.is_current) == ("Send a report first", False)
        assert before.metadata == {"answers": {question.key: "First"}}

    def test_is_judged_by_the_grade_and_school_that_the_family_tells_now(self) -> None:
        set_criterion(instance := instance_with_form(), "gradeLevel == '8'", otherwise="For grade 8 only")
        apply(instance, grade_level="7", school="Hill School")
        refused = Enrollment.objects.get()

        apply(instance, grade_level="8", school="Lake School")

        again = Enrollment.objects.exclude(pk=refused.pk).get()
        assert (refused.eligibility_status, again.eligibility_status) == ("ineligible", "submitted")
        assert again.learner is not None
        assert (again.learner.grade_level, again.learner.school) == ("8", "Lake School")

    def test_keeps_what_the_workspace_noted_for_its_criteria(self) -> None:
        instance = instance_with_form()
        apply(instance)
        refused = Enrollment.objects.get()
        Enrollment.objects.update(metadata={"zone": "north", "answers": {"old": 1}}, phone="+14155550123")
        reject_enrollment(enrollment_id=refused.pk, actor=STAFF, reason="Too late", now=utc_now())

        apply(instance)

        again = Enrollment.objects.exclude(pk=refused.pk).get()
        assert (again.metadata, again.phone) == ({"zone": "north"}, "+14155550123")

    @pytest.mark.sqlite
    def test_is_paid_for_anew_where_the_first_payment_went_back(self) -> None:
        instance = instance_with_form()
        instance.price = InstancePriceFactory(workspace=instance.workspace)
        instance.save()
        fill_in(instance)
        confirm_application(token=mailed_link().rpartition("/")[2], now=utc_now())
        refused = Enrollment.objects.get()
        reject_enrollment(enrollment_id=refused.pk, actor=STAFF, reason="Too young", now=utc_now())
        Enrollment.objects.update(payment_status="refunded")
        set_criterion(instance, "gradeLevel == '8'")

        fill_in(instance, grade_level="8")
        confirm_application(token=mailed_link().rpartition("/")[2], now=utc_now())

        again = Enrollment.objects.exclude(pk=refused.pk).get()
        assert (again.eligibility_status, again.payment_status) == ("submitted", "pending")
        assert Enrollment.objects.get(pk=refused.pk).payment_status == "refunded"

    def test_while_it_is_in_review_changes_nothing(self) -> None:
        instance = instance_with_form()
        apply(instance)
        refused = Enrollment.objects.get()
        reject_enrollment(enrollment_id=refused.pk, actor=STAFF, reason="Too young", now=utc_now())
        apply(instance)

        third = apply(instance)

        assert third.status_code == 409
        assert Enrollment.objects.count() == 2

    def test_leaves_no_refusal_that_could_be_reconsidered_beside_it(self) -> None:
        instance = instance_with_form()
        apply(instance)
        refused = Enrollment.objects.get()
        reject_enrollment(enrollment_id=refused.pk, actor=STAFF, reason="Too young", now=utc_now())
        apply(instance)
        set_criterion(instance, "gradeLevel == '7'")

        with pytest.raises(EnrollmentOver):
            reconsider_enrollment(enrollment_id=refused.pk, actor=STAFF, now=utc_now())

        assert Enrollment.objects.get(pk=refused.pk).eligibility_status == "rejected"
