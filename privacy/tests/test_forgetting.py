"""Data older than a workspace's settings is removed the way an erasure removes it, and nothing else is."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from accounts.consents import withdraw_consent
from accounts.models import Consent, Lead, Learner, StaffTask
from accounts.staff_tasks import raise_staff_task
from accounts.tests.factories import ConsentTextFactory, LeadFactory, LearnerFactory, UserFactory
from backoffice.models import Export
from cohorts.models import Cohort
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import buy_on_rows, cohort_with, reserve
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import Application, Enrollment, ImportJob
from enrollments.personal import NOBODY
from enrollments.states import QuestionKind
from enrollments.tests.applicants import answer_to, apply, ask, instance_with_form, pdf
from enrollments.tests.factories import CandidateFactory
from events.models import OutboxEvent
from notifications.models import Notification
from partners.task_kinds import STEP_FAILED
from privacy import forgetting
from privacy.forgetting import count_overdue, forget_overdue
from privacy.models import Erasure, Forgotten, Retention
from privacy.states import LEAST_DAYS, RetentionKind

from .canary import FIRST, LAST, forget_files, places_of_canary

pytestmark = pytest.mark.django_db

NOTHING: dict[RetentionKind, int] = {}
Planted = tuple[Any, Callable[[], bool]]  # a workspace, and whether the thing is still there


def setting(workspace: Any, kind: RetentionKind) -> Retention:
    """The shortest time there is."""
    return Retention.objects.create(workspace=workspace, **{f"{kind}_days": LEAST_DAYS[kind]})


def sweep(*, days: int, at_most: int = 100) -> dict[RetentionKind, int]:
    return {kind: rows for kind, rows in forget_overdue(at_most=at_most, now=in_days(days)).items() if rows}


def in_days(days: int) -> dt.datetime:
    return utc_now() + dt.timedelta(days=days)


def an_application() -> Planted:
    apply(instance_with_form(), email="ann@home.test")
    Enrollment.objects.update(eligibility_status="rejected")
    application = Application.objects.get()
    return application.workspace, lambda: Application.objects.get().email != NOBODY


def a_candidate() -> Planted:
    learner = CandidateFactory().learner
    return learner.workspace, lambda: Learner.objects.filter(pk=learner.pk, erased_at=None).exists()


def a_prospect() -> Planted:
    lead = LeadFactory()
    CandidateFactory(workspace=lead.workspace, learner=None, lead=lead)
    return lead.workspace, lambda: Lead.objects.get().email != ""


def a_mail(about: str = "x:1") -> Planted:
    learner = LearnerFactory()
    Notification.objects.create(
        workspace=learner.workspace, kind="x", subject_key=about, recipient="a@b.test", status="sent", sent_at=utc_now()
    )
    return learner.workspace, Notification.objects.exists


def a_consent() -> Planted:
    text = ConsentTextFactory(is_required=False)
    consent = Consent.objects.create(
        workspace=text.workspace,
        learner=LearnerFactory(workspace=text.workspace),
        text=text,
        purpose=text.purpose,
        address="ann@home.test",
        way="form",
        recorded_by="system",
    )
    withdraw_consent(consent_id=consent.pk, actor=SYSTEM, now=utc_now())
    return text.workspace, Consent.objects.exists


def a_task() -> Planted:
    learner = LearnerFactory()
    StaffTask.objects.create(
        workspace=learner.workspace,
        kind=STEP_FAILED.name,
        subject="enrollment:1",
        summary="Call Ann",
        status="done",
        done_at=utc_now(),
        resolution="Called",
    )
    return learner.workspace, lambda: StaffTask.objects.get().resolution == "Called"


PLANTS = {
    RetentionKind.APPLICATIONS: an_application,
    RetentionKind.CANDIDATES: a_candidate,
    RetentionKind.PROSPECTS: a_prospect,
    RetentionKind.MAILS: a_mail,
    RetentionKind.CONSENTS: a_consent,
    RetentionKind.TASKS: a_task,
}


class TestEachKind:
    @pytest.mark.sqlite
    @pytest.mark.parametrize("kind", RetentionKind)
    def test_is_kept_to_the_last_day_and_then_goes_once(self, kind: RetentionKind) -> None:
        workspace, is_there = PLANTS[kind]()
        retention = setting(workspace, kind)
        days = LEAST_DAYS[kind]

        assert (sweep(days=days - 1), is_there()) == (NOTHING, True)
        assert count_overdue(retention, now=in_days(days + 1)) == {kind: 1}
        assert (sweep(days=days + 1), is_there()) == ({kind: 1}, False)
        assert sweep(days=days + 1) == NOTHING
        assert list(Forgotten.objects.values_list("kind", "rows")) == [(kind, 1)]

    def test_is_kept_where_nothing_is_set(self) -> None:
        workspace, is_there = a_candidate()
        setting(workspace, RetentionKind.TASKS)

        assert (sweep(days=10_000), is_there()) == (NOTHING, True)

    def test_has_a_shortest_time(self) -> None:
        retention = Retention(workspace=LearnerFactory().workspace, mails_days=89, tasks_days=90)

        with pytest.raises(ValidationError) as refused:
            retention.full_clean()

        assert refused.value.message_dict == {
            "mails_days": ["Keep them for 90 days at least, or leave it empty to keep them."]
        }


def cohort_of(learner: Learner, **more: Any) -> Cohort:
    return cohort_with(options=(1,), instance__workspace=learner.workspace, **more)


def paid(learner: Learner) -> None:
    buy_on_rows(cohort_of(learner), learner)


def about_to_pay(learner: Learner) -> None:
    reserve(cohort_of(learner), learner)


def in_review(learner: Learner) -> None:
    Enrollment.objects.filter(learner=learner).update(eligibility_status="submitted")


def refunded(learner: Learner) -> None:
    Enrollment.objects.filter(learner=learner).update(eligibility_status="rejected", payment_status="refunded")


def accepted_once(learner: Learner) -> None:
    Enrollment.objects.filter(learner=learner).update(eligibility_status="unenrolled")


def in_line(learner: Learner) -> None:
    cohort = cohort_of(learner, max_enrollment=0)
    join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())


def asked_about(learner: Learner) -> None:
    cuid = Enrollment.objects.get(learner=learner).cuid
    raise_staff_task(workspace_id=learner.workspace_id, kind=STEP_FAILED, subject=f"enrollment:{cuid}", summary="?")


def back_again(learner: Learner) -> None:
    Enrollment.objects.filter(learner=learner).update(updated_at=in_days(30))


def signed_in(learner: Learner) -> None:
    learner.user = UserFactory(last_login=in_days(30))
    learner.save()


SPARED = (paid, about_to_pay, in_review, refunded, accepted_once, in_line, asked_about, back_again, signed_in)


class TestSomebodyWho:
    @pytest.mark.parametrize("has", SPARED, ids=lambda has: has.__name__)
    def test_is_needed_still_is_kept(self, has: Callable[[Learner], None]) -> None:
        learner = CandidateFactory().learner
        setting(learner.workspace, RetentionKind.CANDIDATES)
        has(learner)

        assert sweep(days=91) == NOTHING
        assert Learner.objects.get(pk=learner.pk).erased_at is None

    def test_comes_back_while_the_sweep_is_on_its_way_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The look behind the lock sees what the first one could not."""
        learner = CandidateFactory().learner
        setting(learner.workspace, RetentionKind.CANDIDATES)
        monkeypatch.setattr(forgetting, "lock_person", lambda find: in_review(learner))

        assert sweep(days=91) == NOTHING
        assert Enrollment.objects.get().deleted_at is None

    def test_goes_is_told_to_integrators_and_to_nobody_else(self) -> None:
        learner = CandidateFactory().learner
        setting(learner.workspace, RetentionKind.CANDIDATES)
        export = Export.objects.create(source="x", format="csv", workspace=learner.workspace, status="completed")

        sweep(days=91)

        assert (Erasure.objects.get().reason, Erasure.objects.get().actor) == ("outdated", "system")
        assert list(OutboxEvent.objects.filter(type="learner.erased").values_list("aggregate", flat=True))
        assert not Notification.objects.exists()
        export.refresh_from_db()
        assert export.file_deleted_at is None  # somebody may be about to fetch it


class TestAnApplication:
    def test_is_kept_while_it_is_reviewed_was_accepted_or_paid_for(self) -> None:
        workspace, is_there = an_application()
        setting(workspace, RetentionKind.APPLICATIONS)
        rejected = {"eligibility_status": "rejected", "payment_status": "not_required"}

        needed = (
            {"eligibility_status": "submitted"},
            {"eligibility_status": "approved"},
            {"payment_status": "refunded"},
        )
        for standing in needed:
            Enrollment.objects.update(**{**rejected, **standing})
            assert (sweep(days=61), is_there()) == (NOTHING, True), standing

    def test_leaves_nothing_of_what_was_typed_and_uploaded(self, django_capture_on_commit_callbacks: Any) -> None:
        forget_files()
        instance = instance_with_form()
        why, report = ask(instance, label="Why?"), ask(instance, kind=QuestionKind.FILE, label="Report")
        file = pdf(f"{LAST}.pdf", f"%PDF-1.7\n% {FIRST}\n".encode())
        answers = answer_to(why, f"{FIRST} loves robots") | answer_to(report, file)
        apply(instance, email="ann@home.test", **answers)
        Enrollment.objects.update(eligibility_status="rejected", eligibility_reason=f"{FIRST} lives elsewhere")
        before = places_of_canary()
        setting(instance.workspace, RetentionKind.APPLICATIONS)

        with django_capture_on_commit_callbacks(execute=True):
            sweep(days=61)

        assert before >= {"enrollments_enrollment", "enrollments_applicationfile", "file in applications"}
        assert places_of_canary() == set()
        assert Learner.objects.get().email == "ann@home.test"  # they may apply for something else


class TestTheSweep:
    def test_waits_a_day_after_a_change_of_the_settings(self) -> None:
        workspace, is_there = a_candidate()
        changed = setting(workspace, RetentionKind.CANDIDATES)
        Retention.objects.update(changed_at=in_days(91))

        assert (sweep(days=91), is_there()) == (NOTHING, True)
        assert count_overdue(changed, now=in_days(91)) == {RetentionKind.CANDIDATES: 1}

    def test_takes_no_more_than_it_may_and_begins_with_whom_it_left_out(self) -> None:
        (first, _), (second, _) = a_mail(), a_mail("x:2")
        for workspace in (first, second):
            setting(workspace, RetentionKind.MAILS)

        taken = [(sweep(days=91, at_most=1), set(Forgotten.objects.values_list("workspace", flat=True))) for _ in "12"]

        one = {RetentionKind.MAILS: 1}
        assert taken == [(one, {first.pk}), (one, {first.pk, second.pk})]

    def test_of_one_workspace_leaves_the_others(self) -> None:
        (first, _), (second, _) = a_mail(), a_mail("x:2")
        for workspace in (first, second):
            setting(workspace, RetentionKind.MAILS)

        gone = forget_overdue(at_most=100, workspace_id=second.pk, now=in_days(91))

        assert gone == {RetentionKind.MAILS: 1}
        assert Notification.objects.get().workspace_id == first.pk

    def test_of_a_prospect_leaves_the_enrollments_of_the_others(self) -> None:
        workspace, _ = a_prospect()
        beside = {"workspace": workspace, "instance": Enrollment.objects.get().instance}
        CandidateFactory(learner=None, lead=LeadFactory(workspace=workspace), **beside)
        Enrollment.objects.update(eligibility_reason="Lives elsewhere")
        setting(workspace, RetentionKind.PROSPECTS)

        sweep(days=LEAST_DAYS[RetentionKind.PROSPECTS] + 1, at_most=1)

        kept = Enrollment.objects.get(eligibility_reason="Lives elsewhere")
        assert kept.lead == Lead.objects.exclude(email="").get()

    @pytest.mark.parametrize("limits", [{"at_most": 1}, {"at_most": 100, "one_by_one": 1}])
    def test_takes_no_more_than_it_may_of_what_goes_one_by_one(self, limits: dict[str, int]) -> None:
        first = CandidateFactory()
        CandidateFactory(workspace=first.workspace, instance=first.instance)
        setting(first.workspace, RetentionKind.CANDIDATES)

        assert forget_overdue(**limits, now=in_days(91)) == {RetentionKind.CANDIDATES: 1}

    def test_gets_past_what_is_refused_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refused = CandidateFactory()
        CandidateFactory(workspace=refused.workspace, instance=refused.instance)
        setting(refused.workspace, RetentionKind.CANDIDATES)
        monkeypatch.setattr(
            forgetting, "_FORGET", {RetentionKind.CANDIDATES: lambda row, *_: row.pk != refused.learner.pk}
        )

        runs = [sweep(days=91, at_most=1) for _ in range(40)]

        assert {RetentionKind.CANDIDATES: 1} in runs

    def test_leaves_who_must_not_be_erased_yet_for_the_next_run(self) -> None:
        candidate = CandidateFactory()
        setting(candidate.workspace, RetentionKind.CANDIDATES)
        ImportJob.objects.create(workspace=candidate.workspace, instance=candidate.instance, stage="import")

        assert sweep(days=91) == NOTHING
        assert Learner.objects.get().erased_at is None
