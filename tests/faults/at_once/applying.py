"""What integrators, staff, and families do at once to get learners and leads in, through, and out again."""

import datetime as dt
from collections.abc import Iterator

from accounts.leads import change_lead, create_lead
from accounts.models import Lead, Learner
from core.actors import Actor
from core.ids import new_cuid
from enrollments.application.confirm import confirm_application
from enrollments.application.expiry import forget_unconfirmed
from enrollments.application.receive import FilledForm, discard_application, receive_application, renew_link
from enrollments.details import EnrollmentDetails
from enrollments.evaluation import continue_due_evaluations, request_evaluation
from enrollments.identification import ByEarlierEnrollment, ByInfo, ByLead, ByLearner, Identification, create_enrollment
from enrollments.leaving import confirm_quote, forget_quotes, quote_exits
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Application, CancellationQuote, Enrollment, ProgramInstance
from enrollments.on_account import enroll_on_account
from enrollments.reminders import remind_of_ends
from enrollments.review.inquiries import follow_inquiries
from enrollments.states import Applicant
from enrollments.tests.factories import STAFF

from ..any_order import ENROLLMENTS, pick
from .acting import Acting, Step
from .enrolling import ASKED

CANDIDATES = Enrollment.objects.filter(eligibility_status="candidate", deleted_at=None)
TO_SUBMIT = Enrollment.objects.filter(eligibility_status="eligible", deleted_at=None)
ENROLLED = Enrollment.objects.filter(eligibility_status="approved", deleted_at=None)
UNCONFIRMED = Application.objects.filter(confirmed_at=None)
QUOTES = CancellationQuote.objects.all()
BY_INTEGRATOR = Actor("api_key", 1)


def admissions(act: Acting) -> Iterator[Step]:
    yield lambda: _create_a_lead(act)
    yield lambda: _change_a_lead(act)
    yield lambda: _enroll(act, ByLead(lead_id=pick(Lead.objects.all(), act.nth()).cuid))
    yield lambda: _enroll(act, ByLearner(act.student().cuid))
    yield lambda: _enroll(act, ByEarlierEnrollment(pick(ENROLLMENTS, act.nth()).cuid))
    yield lambda: _enroll(act, _described(act))
    yield lambda: act.on(CANDIDATES, evaluate_enrollment, "enrollment_id", actor=STAFF)
    yield lambda: act.on(
        ENROLLMENTS,
        evaluate_enrollment,
        "enrollment_id",
        is_eligible=act.yes(),
        reason="We know them",
        note="By hand",
        actor=STAFF,
    )
    yield lambda: act.on(TO_SUBMIT, submit_enrollment, "enrollment_id", actor=STAFF)
    yield lambda: act.attempt(request_evaluation, instance_id=_instance(act).pk, actor=STAFF)
    yield lambda: act.attempt(continue_due_evaluations, limit=2)
    yield lambda: _enroll_on_account(act)


def participations(act: Acting) -> Iterator[Step]:
    yield lambda: _follow_inquiries(act)
    yield lambda: _remind_of_ends(act)
    yield lambda: _quote_exits(act)
    yield lambda: _confirm_a_quote(act)
    yield lambda: _forget_quotes(act)


def applications(act: Acting) -> Iterator[Step]:
    yield lambda: _apply(act)
    yield lambda: _apply(act)
    yield lambda: _confirm_an_application(act)
    yield lambda: _confirm_an_application(act)
    yield lambda: _discard_an_application(act)
    yield lambda: act.on(UNCONFIRMED, renew_link, "application_id")
    yield lambda: _forget_unconfirmed(act)


def _instance(act: Acting) -> ProgramInstance:
    return act.chance.choice([act.instance, act.cohort.instance])


def _create_a_lead(act: Acting) -> None:
    who = act.chance.randrange(1, 6)

    def create_a_lead(*, now: dt.datetime) -> None:
        create_lead(workspace_id=act.workspace.pk, first_name=f"L{who}", last_name="Doe", email=f"l{who}@school.test")

    act.attempt(create_a_lead)


def _change_a_lead(act: Acting) -> None:
    cuid = pick(Lead.objects.all(), act.nth()).cuid
    who = act.chance.randrange(1, 6)

    def change_a_lead(*, now: dt.datetime) -> None:
        change_lead(workspace_id=act.workspace.pk, cuid=cuid, changes={"first_name": f"L{who}"})

    act.attempt(change_a_lead)


def _described(act: Acting) -> ByInfo:
    who = act.chance.randrange(1, 9)
    return ByInfo(first_name=f"L{who}", last_name="Doe", email=f"l{who}@school.test")


def _enroll(act: Acting, who: Identification) -> None:
    act.attempt(
        create_enrollment,
        workspace_id=act.workspace.pk,
        instance_id=_instance(act).pk,
        identification=who,
        details=EnrollmentDetails(tags=["spring"], metadata={"n": act.nth()}),
        actor=BY_INTEGRATOR,
    )


def _enroll_on_account(act: Acting) -> None:
    learner = pick(Learner.objects.filter(external_id__isnull=False), act.nth())
    act.attempt(
        enroll_on_account,
        workspace_id=act.workspace.pk,
        course_id=_instance(act).pk,
        user_id=learner.external_id,
        actor=BY_INTEGRATOR,
    )


def _follow_inquiries(act: Acting) -> None:
    after = dt.timedelta(days=act.chance.choice([0, 6, 8]))

    def follow_inquiries_later(*, now: dt.datetime) -> None:
        follow_inquiries(now=now + after)

    act.attempt(follow_inquiries_later)


def _remind_of_ends(act: Acting) -> None:
    def remind_of_the_ends(*, now: dt.datetime) -> None:
        remind_of_ends(at_most=10, clock=lambda: now)

    act.attempt(remind_of_the_ends)


def _quote_exits(act: Acting) -> None:
    found = [pick(ENROLLED, act.nth()).cuid for _ in range(3)]
    act.attempt(quote_exits, workspace_id=act.workspace.pk, enrollment_cuids=list(dict.fromkeys(found)), actor=STAFF)


def _confirm_a_quote(act: Acting) -> None:
    quote = pick(QUOTES, act.nth())
    act.attempt(confirm_quote, workspace_id=act.workspace.pk, cuid=quote.cuid, **ASKED)


def _forget_quotes(act: Acting) -> None:
    def forget_quotes_later(*, now: dt.datetime) -> None:
        forget_quotes(now=now + dt.timedelta(days=2))

    act.attempt(forget_quotes_later)


def _apply(act: Acting) -> None:
    """Somebody sends the form, perhaps twice."""
    who = act.chance.randrange(1, 9)
    applicant = act.chance.choice(list(Applicant))
    filled = FilledForm(
        applicant=applicant, email=f"l{who}@school.test", first_name=f"L{who}", last_name="Doe", answers={"n": who}
    )
    earlier = UNCONFIRMED.filter(email=filled.email).values_list("submission", flat=True).first()
    submission = earlier if earlier and act.yes() else new_cuid()
    act.attempt(receive_application, instance_id=act.instance.pk, submission=submission, filled=filled)


def _confirm_an_application(act: Acting) -> None:
    """Confirm by a new link, as nobody but the mail knows the secret of the first."""
    application = pick(UNCONFIRMED, act.nth())

    def confirm_the_application(*, now: dt.datetime) -> None:
        _, token = renew_link(application_id=application.pk, now=now)
        confirm_application(token=token, now=now)

    act.attempt(confirm_the_application)


def _discard_an_application(act: Acting) -> None:
    application = pick(UNCONFIRMED, act.nth())

    def discard_the_application(*, now: dt.datetime) -> None:
        discard_application(application_id=application.pk)

    act.attempt(discard_the_application)


def _forget_unconfirmed(act: Acting) -> None:
    def forget_unconfirmed_later(*, now: dt.datetime) -> None:
        forget_unconfirmed(now=now + dt.timedelta(days=8))

    act.attempt(forget_unconfirmed_later)
