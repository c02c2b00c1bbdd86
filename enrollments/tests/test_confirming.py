"""The mailed link: what its button does with an application, and what merely opening it does not."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import Guardian, Learner
from accounts.tests.factories import LearnerFactory
from core.clock import utc_now
from enrollments.application import files
from enrollments.application.confirm import confirm_application
from enrollments.application.expiry import forget_unconfirmed
from enrollments.application.files import forget_orphans
from enrollments.deletion import delete_enrollment
from enrollments.errors import InstanceFull
from enrollments.lifecycle import reject_enrollment, submit_enrollment, unenroll_enrollment
from enrollments.models import Application, ApplicationFile, Enrollment, ProgramInstance
from enrollments.models.forms import files_of_applications
from enrollments.states import QuestionKind, ReviewMode
from enrollments.tests.applicants import (
    answer_to,
    apply,
    ask,
    fill_in,
    instance_with_form,
    mailed_link,
    pdf,
    press,
)
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import STAFF, CandidateFactory, InstancePriceFactory
from events.models import OutboxEvent
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db


def page(response: Any) -> str:
    return " ".join(response.content.decode().split())


def status() -> str:
    return str(Enrollment.objects.get().eligibility_status)


class TestOpeningTheLink:
    @pytest.mark.parametrize("method", ["get", "head"])
    def test_confirms_nothing(self, method: str) -> None:
        fill_in(instance_with_form())

        response = getattr(Client(), method)(mailed_link(), follow=True)

        assert response.status_code == 200
        assert Application.objects.get().confirmed_at is None
        assert Enrollment.objects.count() == 0

    def test_names_nobody(self) -> None:
        fill_in(instance_with_form())

        shown = page(Client().get(mailed_link(), follow=True))

        assert not [name for name in ("Mia", "Doe", "Hill School", "ann@home.test") if name in shown]

    def test_that_was_guessed_leads_nowhere(self) -> None:
        fill_in(instance_with_form())

        assert Client().get("/applications/guessed").status_code == 404


class TestPressingTheButton:
    def test_submits_the_application_for_review(self) -> None:
        instance = instance_with_form()
        question = ask(instance, label="Why?")

        response = apply(instance, **answer_to(question, "Robots!"))

        enrollment = Enrollment.objects.get()
        assert (enrollment.eligibility_status, enrollment.instance) == ("submitted", instance)
        assert enrollment.metadata == {"answers": {question.key: "Robots!"}}
        assert "Your application was sent" in page(Client().get(response["Location"], follow=True))

    def test_makes_the_parent_a_guardian_of_the_child(self) -> None:
        apply(instance_with_form())

        mia = Learner.objects.get()
        assert (str(mia), mia.email, mia.grade_level, mia.school) == ("Mia Doe", "ann@home.test", "7", "Hill School")
        assert [guardian.email for guardian in mia.guardians.all()] == ["ann@home.test"]

    def test_makes_nobody_a_guardian_of_who_applies_for_themselves(self) -> None:
        apply(instance_with_form(), applicant="learner", email="mia@home.test")

        assert Learner.objects.get().email == "mia@home.test"
        assert Guardian.objects.count() == 0

    def test_finds_a_child_of_the_family_who_has_an_address_of_their_own(self) -> None:
        instance = instance_with_form()
        mia = LearnerFactory(workspace=instance.workspace, first_name="MIA", last_name="Doe", email="mia@school.test")
        ann = Guardian.objects.create(workspace=instance.workspace, email="ann@home.test")
        mia.guardianships.create(guardian=ann)

        apply(instance)

        assert Enrollment.objects.get().learner == mia
        assert Learner.objects.count() == 1

    def test_notes_the_grade_of_this_year_for_a_child_the_family_brought_in(self) -> None:
        set_criterion(eighth := instance_with_form(), "gradeLevel == '8'")
        LearnerFactory(
            workspace=eighth.workspace,
            external_id=None,
            first_name="Mia",
            last_name="Doe",
            email="ann@home.test",
            grade_level="7",
        )

        apply(eighth, grade_level="8")

        assert Learner.objects.get().grade_level == "8"
        assert status() == "submitted"

    def test_leaves_the_grade_that_the_system_of_the_workspace_gave(self) -> None:
        instance = instance_with_form()
        LearnerFactory(
            workspace=instance.workspace,
            external_id="S-1",
            first_name="Mia",
            last_name="Doe",
            email="ann@home.test",
            grade_level="7",
        )

        apply(instance, grade_level="8")

        assert Learner.objects.get().grade_level == "7"

    def test_never_finds_a_namesake_of_another_family(self) -> None:
        instance = instance_with_form()
        other = LearnerFactory(workspace=instance.workspace, first_name="Mia", last_name="Doe", email="else@home.test")

        apply(instance)

        assert Enrollment.objects.get().learner != other

    def test_twice_is_one_enrollment(self) -> None:
        fill_in(instance_with_form())
        link = mailed_link()

        answers = [press(link) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [302, 302]
        assert Enrollment.objects.count() == 1
        assert OutboxEvent.objects.filter(type="enrollment.created").count() == 1

    def test_leaves_no_second_copy_of_what_was_told(self) -> None:
        instance = instance_with_form()
        question = ask(instance)

        apply(instance, **answer_to(question, "Robots!"))

        application = Application.objects.get()
        assert (application.first_name, application.last_name, application.school) == ("", "", "")
        assert application.answers == {}

    def test_approves_at_once_where_the_review_is_automatic(self) -> None:
        response = apply(instance_with_form(review_mode=ReviewMode.AUTOMATIC))

        assert status() == "approved"
        assert "Enrolled" in page(Client().get(response["Location"], follow=True))

    @pytest.mark.sqlite
    def test_tells_the_reason_to_who_is_not_eligible(self) -> None:
        instance = instance_with_form()
        set_criterion(instance, "gradeLevel == '8'", otherwise="For grade 8 only")

        response = apply(instance)

        assert status() == "ineligible"
        assert "For grade 8 only" in page(Client().get(response["Location"], follow=True))

    def test_lets_criteria_read_the_answers(self) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.NUMBER)
        set_criterion(instance, f"metadata.answers.{question.key} >= 3")

        apply(instance, **answer_to(question, "3.5"))

        assert status() == "submitted"

    def test_is_followed_by_one_mail_about_where_the_application_stands(self) -> None:
        instance = instance_with_form()
        apply(instance)

        send_due_notifications(now=utc_now())

        assert [message.subject for message in mail.outbox] == [
            f"Confirm your application for {instance.program.title}",
            "We have the request for Mia",
        ]

    def test_takes_up_a_candidate_whom_the_workspace_invited(self) -> None:
        instance = instance_with_form()
        mia = LearnerFactory(workspace=instance.workspace, first_name="Mia", last_name="Doe", email="ann@home.test")
        invited = CandidateFactory(
            workspace=instance.workspace, instance=instance, learner=mia, metadata={"source": "import"}
        )
        question = ask(instance)

        apply(instance, **answer_to(question, "Yes"))

        enrollment = Enrollment.objects.get()
        assert (enrollment.pk, enrollment.eligibility_status) == (invited.pk, "submitted")
        assert enrollment.metadata == {"source": "import", "answers": {question.key: "Yes"}}
        assert OutboxEvent.objects.filter(type="enrollment.updated").count() == 1

    def test_tells_who_applied_before_that_there_is_an_application(self) -> None:
        instance = instance_with_form()
        question = ask(instance)
        apply(instance, **answer_to(question, "First"))

        response = apply(instance, **answer_to(question, "Second"))

        assert response.status_code == 409
        assert "There is an application already" in page(response)
        enrollment = Enrollment.objects.get()
        assert enrollment.metadata["answers"] == {question.key: "First"}
        assert enrollment.transition_count == 2

    def test_enrolls_who_left_anew(self) -> None:
        instance = instance_with_form(review_mode=ReviewMode.AUTOMATIC)
        apply(instance)
        left = Enrollment.objects.get()
        unenroll_enrollment(enrollment_id=left.pk, actor=STAFF, reason="Moved", now=utc_now())

        apply(instance)

        assert Enrollment.objects.exclude(pk=left.pk).get().eligibility_status == "approved"


class TestTheLinkOfADeletedEnrollment:
    def test_no_longer_works(self) -> None:
        apply(instance_with_form())
        delete_enrollment(enrollment_id=Enrollment.objects.get().pk, actor=STAFF, now=utc_now())

        answers = [Client().get(mailed_link(), follow=True), press(mailed_link())]

        assert [answer.status_code for answer in answers] == [410, 410]
        assert Enrollment.objects.count() == 1


class TestAPlace:
    def test_goes_to_the_first_that_is_confirmed(self) -> None:
        instance = instance_with_form(capacity=1)
        fill_in(instance)
        first = mailed_link()
        fill_in(instance, email="bo@home.test", first_name="Leo")
        second = mailed_link()

        taken = press(first)
        full = press(second)

        assert (taken.status_code, full.status_code) == (302, 409)
        assert "All places are taken" in page(full)
        assert Enrollment.objects.count() == 1
        assert Learner.objects.filter(first_name="Leo").count() == 0

    def test_that_becomes_free_can_be_taken_by_the_link_that_was_refused(self) -> None:
        instance = instance_with_form(capacity=1)
        fill_in(instance)
        link = mailed_link()
        apply_other = fill_in(instance, email="bo@home.test", first_name="Leo")
        assert apply_other.status_code == 302
        press(mailed_link())
        refused = press(link)
        leo = Enrollment.objects.get()

        reject_enrollment(enrollment_id=leo.pk, actor=STAFF, reason="Moved", now=utc_now())
        taken = press(link)

        assert (refused.status_code, taken.status_code) == (409, 302)
        assert Enrollment.objects.filter(eligibility_status="submitted").count() == 1

    def test_is_refused_to_every_other_way_in_as_well(self) -> None:
        instance = instance_with_form(capacity=1)
        apply(instance)
        other = CandidateFactory(workspace=instance.workspace, instance=instance)
        Enrollment.objects.filter(pk=other.pk).update(eligibility_status="eligible")

        with pytest.raises(InstanceFull, match="All places of"):
            submit_enrollment(enrollment_id=other.pk, actor=STAFF, now=utc_now())

        assert Enrollment.objects.get(pk=other.pk).eligibility_status == "eligible"


class TestAFormThatClosedInTheMeantime:
    def test_takes_nothing_and_keeps_the_link(self) -> None:
        instance = instance_with_form()
        fill_in(instance)
        link = mailed_link()
        ProgramInstance.objects.filter(pk=instance.pk).update(takes_applications=False)

        closed = press(link)
        ProgramInstance.objects.filter(pk=instance.pk).update(takes_applications=True)
        opened = press(link)

        assert (closed.status_code, opened.status_code) == (409, 302)
        assert "Applications are closed" in page(closed)
        assert status() == "submitted"


class TestAnUnconfirmedApplication:
    def test_is_over_after_a_week(self) -> None:
        fill_in(instance_with_form())
        Application.objects.update(expires_at=utc_now() - dt.timedelta(seconds=1))

        opened = Client().get(mailed_link(), follow=True)
        pressed = press(mailed_link())

        assert (opened.status_code, pressed.status_code) == (410, 410)
        assert Enrollment.objects.count() == 0

    @pytest.mark.sqlite
    def test_is_deleted_with_its_files_by_the_sweep(self, django_capture_on_commit_callbacks: Any) -> None:
        instance = instance_with_form()
        fill_in(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()))
        stored = ApplicationFile.objects.get().content.name
        expiry = Application.objects.get().expires_at

        too_early = forget_unconfirmed(now=expiry - dt.timedelta(seconds=1))
        with django_capture_on_commit_callbacks(execute=True):
            gone = forget_unconfirmed(now=expiry)

        assert (too_early, gone) == (0, 1)
        assert (Application.objects.count(), ApplicationFile.objects.count()) == (0, 0)
        assert not files_of_applications().exists(stored)

    def test_that_was_confirmed_stays_for_good(self) -> None:
        instance = instance_with_form()
        apply(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()))

        gone = forget_unconfirmed(now=utc_now() + dt.timedelta(days=400))

        assert gone == 0
        assert ApplicationFile.objects.count() == 1


class TestContentsWithoutARow:
    def test_go_a_day_after_a_crash_left_them(self) -> None:
        storage = files_of_applications()
        orphan = storage.save("applications/clostlostlostlostlostlost", pdf())
        instance = instance_with_form()
        fill_in(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()))
        stored = ApplicationFile.objects.get().content.name

        at_once = forget_orphans(now=utc_now())
        assert (at_once, storage.exists(orphan)) == (0, True)
        forget_orphans(now=utc_now() + dt.timedelta(days=2))

        assert not storage.exists(orphan)
        assert storage.exists(stored)

    def test_that_are_deleted_meanwhile_do_not_keep_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = files_of_applications()
        names = [storage.save(f"applications/clostlostlostlostlostlos{n}", pdf()) for n in (1, 2)]
        find_known = files._find_known

        def find_while_another_is_deleted(found: Sequence[str]) -> Collection[str]:
            storage.delete(names[0])
            return find_known(found)

        monkeypatch.setattr(files, "_find_known", find_while_another_is_deleted)
        forget_orphans(now=utc_now() + dt.timedelta(days=2))

        assert not storage.exists(names[1])


class TestAProgramWithAPrice:
    @pytest.fixture
    def priced(self) -> ProgramInstance:
        instance = instance_with_form(review_mode=ReviewMode.AUTOMATIC)
        instance.price = InstancePriceFactory(workspace=instance.workspace)
        instance.save()
        return instance

    def test_is_never_entered_unpaid(self, priced: ProgramInstance) -> None:
        fill_in(priced)

        confirm_application(token=mailed_link().rpartition("/")[2], now=utc_now())

        enrollment = Enrollment.objects.get()
        assert (enrollment.eligibility_status, enrollment.payment_status) == ("submitted", "pending")

    def test_leads_to_the_payment_page_of_the_router(self, priced: ProgramInstance, stripe: Any) -> None:
        response = apply(priced)

        decision = Enrollment.objects.get().decisions.get()
        assert (decision.status, decision.reason) == ("checkout_required", "no_district")
        shown = page(Client().get(response["Location"], follow=True))
        assert f'href="{decision.checkout.url}"' in shown
        assert "49.00" in shown

    def test_opens_one_payment_page_however_often_the_button_is_pressed(
        self, priced: ProgramInstance, stripe: Any
    ) -> None:
        fill_in(priced)
        link = mailed_link()

        for do in ("confirm", "confirm", "pay"):
            press(link, do)

        assert Enrollment.objects.get().decisions.count() == 1

    def test_keeps_the_application_while_the_payment_provider_is_down(
        self, priced: ProgramInstance, stripe: Any
    ) -> None:
        fill_in(priced)
        link = mailed_link()
        stripe.faults(server_error=True)

        down = press(link)
        stripe.clear_faults()
        again = press(link, "pay")

        assert (down.status_code, again.status_code) == (503, 302)
        assert "The application is safe" in page(down)
        assert Enrollment.objects.get().decisions.get().status == "checkout_required"
