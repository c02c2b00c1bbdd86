"""Ways of families, partners, and staff: each goes one step, and says which."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.guardian_invitations import accept_guardian_invitation, invite_guardian, mail_guardian_invitation
from accounts.guardians import set_guardian_address
from accounts.merging import merge_learners
from accounts.models import Guardian, Learner, Membership
from accounts.name_changes import accept_name, ask_for_name, decline_name
from accounts.states import Role
from accounts.tests.factories import StaffFactory, proven_user
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.money import Money
from enrollments.allocations.idle.asking import ask_idle
from enrollments.allocations.idle.finding import set_idle_rule
from enrollments.allocations.idle.reclaiming import reclaim_due
from enrollments.allocations.usage import write_about_seats
from enrollments.digest import write_digests
from enrollments.imports.job import undo_import
from enrollments.lifecycle import (
    evaluate_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import District, Enrollment
from enrollments.review.inquiries import ask_family, follow_inquiries
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from enrollments.tests.importing import adults_only, csv_of, import_file, work_on
from partners.certificates import reissue_certificate, revoke_certificate
from partners.models import Certificate
from partners.nudges.sending import send_nudges
from partners.providers import change_provider
from partners.states import GroupRule
from partners.tests.factories import NOON, accept, complete, instance_with, steps_of
from privacy.erasing import erase_learner
from privacy.states import ErasureReason
from privacy.wishes import ask_for_deletion, decline_deletion
from tests.contracts.mail_journeys import candidate, decide
from tests.contracts.mailbox import CHILD, FAMILY, child_in, give_guardian, read

DAY = dt.timedelta(days=1)
PARENT = Actor("user", 7)


def at_partners(now: dt.datetime) -> Enrollment:
    """Return an enrollment with two partners whose mail about the acceptance has been read."""
    instance = instance_with((2, GroupRule.ALL_IN_ORDER))
    made = CandidateFactory(instance=instance, workspace=instance.workspace, learner=child_in(instance.workspace))
    enrollment = approved_enrollment(made, now=now)
    read()
    return enrollment


def partners_are_done(stripe: Any) -> Iterator[str]:
    enrollment = at_partners(utc_now())
    first, second = steps_of(enrollment)
    complete(accept(first))
    yield "one partner"
    complete(accept(second))
    yield "all partners"
    certificate = Certificate.objects.get()
    reissue_certificate(certificate_id=certificate.pk, actor=STAFF, reason="Name", now=utc_now())
    yield "reissued"
    revoke_certificate(certificate_id=Certificate.objects.latest("pk").pk, actor=STAFF, reason="Error", now=utc_now())
    yield "revoked"


def partners_wait(stripe: Any) -> Iterator[str]:
    enrollment = at_partners(NOON)
    step = steps_of(enrollment)[0]
    change_provider(provider_id=step.provider_id, contact_email="partner@mails.test", now=utc_now())
    send_nudges(now=NOON + 8 * DAY)
    yield "not accepted for a week"
    accept(step, now=NOON + 9 * DAY)
    send_nudges(now=NOON + 17 * DAY)
    yield "not done for a week"
    decide(unenroll_enrollment, reason="Moved")
    yield "ended"
    send_nudges(now=NOON + 25 * DAY)
    yield "a week later"


def a_family_asks_for_its_data_to_be_deleted(stripe: Any) -> Iterator[str]:
    learner = candidate().learner
    ask_for_deletion(learner_id=learner.pk, actor=PARENT, now=utc_now())
    yield "asked"
    decline_deletion(learner_id=learner.pk, reason="Unpaid", actor=STAFF, now=utc_now())
    yield "declined"
    ask_for_deletion(learner_id=learner.pk, actor=PARENT, now=utc_now())
    decide(evaluate_enrollment)
    erase_learner(
        workspace_id=learner.workspace_id,
        learner_cuid=learner.cuid,
        reason=ErasureReason.ASKED,
        actor=STAFF,
        now=utc_now(),
    )
    yield "asked again and erased"


def a_family_asks_for_another_name(stripe: Any) -> Iterator[str]:
    learner = candidate().learner
    for accepts, name in ((False, "Janet"), (True, "Joan")):
        ask_for_name(learner_id=learner.pk, first_name=name, last_name="Doe", actor=PARENT, now=utc_now())
        yield f"asked for {name}"
        if accepts:
            accept_name(learner_id=learner.pk, actor=STAFF, now=utc_now())
        else:
            decline_name(learner_id=learner.pk, note="Not on the record", actor=STAFF, now=utc_now())
        yield "accepted" if accepts else "declined"


def a_second_guardian_comes_and_the_first_goes(stripe: Any) -> Iterator[str]:
    enrollment = candidate()
    guardian = give_guardian(enrollment.learner, email="father@mails.test")
    decide(evaluate_enrollment)
    yield "both"
    Guardian.objects.filter(pk=guardian.pk).update(external_id="G-2")
    set_guardian_address(guardian_id=guardian.pk, email=None, now=utc_now())
    decide(submit_enrollment)
    yield "one left"


def a_guardian_is_invited(stripe: Any) -> Iterator[str]:
    enrollment = candidate(workspace__name="Riverside")
    guardian = Guardian.objects.create(workspace=enrollment.workspace, external_id="G-3")
    enrollment.learner.guardianships.create(guardian=guardian)
    invitation, token = invite_guardian(
        guardian_id=guardian.pk, email="father@mails.test", invited_by=None, now=utc_now()
    )
    mail_guardian_invitation(invitation=invitation, token=token)
    yield "invited"
    decide(evaluate_enrollment)
    yield "not accepted yet"
    accept_guardian_invitation(token=token, user=proven_user("father@mails.test"), now=utc_now())
    decide(submit_enrollment)
    yield "accepted"


def two_learners_are_one(stripe: Any) -> Iterator[str]:
    enrollment = candidate()
    twin = child_in(enrollment.workspace, email="twin@mails.test")
    merge_learners(keep_id=twin.pk, drop_id=enrollment.learner.pk, reason="One", actor=SYSTEM, now=utc_now())
    yield "merged"
    decide(evaluate_enrollment)
    yield "evaluated"


def a_learner_of_age_has_an_account(stripe: Any) -> Iterator[str]:
    enrollment = candidate()
    Learner.objects.filter(pk=enrollment.learner.pk).update(user=proven_user(CHILD))
    decide(evaluate_enrollment)
    yield "evaluated"


def a_family_is_asked_something(stripe: Any) -> Iterator[str]:
    enrollment = candidate()
    decide(evaluate_enrollment)
    decide(submit_enrollment)
    yield "submitted"
    ask_family(enrollment_id=enrollment.pk, question="Which school?", actor=STAFF, now=utc_now())
    yield "asked"
    follow_inquiries(now=utc_now() + 6 * DAY)
    yield "two days before the end"
    decide(reject_enrollment, reason="No answer")
    yield "rejected"


def a_seat_lies_idle(stripe: Any) -> Iterator[str]:
    instance = InstanceFactory()
    child_in(instance.workspace)
    made = seats(instance.workspace, total=2, seat_price=Money(2500, "usd"))
    set_idle_rule(allocation_id=made.pk, idle_days=30, grace_days=7, now=utc_now())
    route(instance.workspace, email=CHILD, now=utc_now() - 40 * DAY)
    yield "enrolled"
    ask_idle(now=utc_now())
    yield "asked"
    reclaim_due(now=utc_now() + 8 * DAY)
    yield "taken back"


def candidates_are_imported(stripe: Any) -> Iterator[str]:
    instance = adults_only()
    job = import_file(instance, csv_of(1) + b"Bob,Lee,bob@example.org,9,NY\n", evaluate=True, may_end_many=True)
    yield "imported"
    undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
    work_on(job)
    yield "undone"


def staff_hear_of_what_waits(stripe: Any) -> Iterator[str]:
    enrollment = candidate(workspace__timezone="UTC")
    Membership.objects.create(
        workspace=enrollment.workspace, user=StaffFactory(email="reviewer@mails.test"), role=Role.REVIEWER
    )
    decide(evaluate_enrollment)
    decide(submit_enrollment)
    read()
    for hour in (6, 7, 8):
        write_digests(now=utc_now().replace(hour=hour))
    yield "this morning"


def seats_run_out(stripe: Any) -> Iterator[str]:
    instance = InstanceFactory()
    Membership.objects.create(
        workspace=instance.workspace, user=StaffFactory(email="manager@mails.test"), role=Role.ADMIN
    )
    seats(instance.workspace, total=1)
    District.objects.update(contact_email="district@mails.test")
    route(instance.workspace, email=CHILD)
    for _ in range(2):
        write_about_seats(now=utc_now())
    yield "all taken"


def somebody_signs_in(stripe: Any) -> Iterator[str]:
    candidate()
    Client().post(reverse("account_request_login_code"), {"email": FAMILY})
    yield "asked for a code"
