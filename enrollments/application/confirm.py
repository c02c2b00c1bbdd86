"""Confirming an application: the mailed link's button proves the address, and the application becomes an enrollment.

It is evaluated, and submitted if it is eligible, which takes a place of the instance. If there is a price, payment
comes next and review after it, as with the router (docs/decisions/0058).
"""

import datetime as dt
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.consents import give_consents
from accounts.link_mail import digest_of
from accounts.models import Learner
from accounts.newcomers import find_or_add_child, find_or_add_oneself
from accounts.states import ConsentWay
from core.actors import Actor
from core.errors import NotFound

from ..changes import change_enrollment
from ..details import EnrollmentDetails
from ..errors import AlreadyEnrolled, ApplicationOver
from ..identification import ByEarlierEnrollment, ByLearner, create_enrollment
from ..lifecycle import evaluate_enrollment, submit_enrollment
from ..locks import lock_enrollment
from ..models import Application, Enrollment
from ..purchase import begin_purchase
from ..queries import current_enrollment
from ..renewal import may_be_renewed
from ..states import EVALUATED, Applicant, EligibilityStatus
from .answers import ANSWERS
from .opening import require_open

log = structlog.get_logger(__name__)


@transaction.atomic
def confirm_application(*, token: str, now: dt.datetime) -> Application:
    """Turn the application into an enrollment; a repeated call returns the same one.

    If the workspace already has a candidate for this person, the application continues that enrollment. A person who
    was refused gets a new enrollment, evaluated by the new answers. Raises NotFound, ApplicationOver,
    ApplicationsClosed, InstanceFull, and AlreadyEnrolled (naming the enrollment) if the learner's enrollment is in
    review or accepted: then nothing is changed, and the link works until it expires.
    """
    application = Application.objects.select_for_update().filter(token_digest=digest_of(token)).first()
    if application is None:
        raise NotFound(_("There is no such application."))
    if application.confirmed_at is not None:
        return application
    if application.state(now) == "expired":
        raise ApplicationOver(_("This link has expired. Fill in the form again."))
    require_open(application.instance, now=now)
    learner = _find_learner(application)
    give_consents(
        learner_id=learner.pk,
        address=application.email,
        text_ids=application.consents,
        way=ConsentWay.FORM,
        actor=Actor("application", application.pk),
        now=now,
    )
    enrollment = _enroll(application, learner, now)
    application.confirmed_at = now
    application.enrollment = enrollment
    _forget_what_moved(application)
    application.save()
    log.info("application_confirmed", application=application.pk, enrollment=enrollment.pk)
    return application


def _find_learner(application: Application) -> Learner:
    find = find_or_add_child if application.applicant == Applicant.GUARDIAN else find_or_add_oneself
    learner, _ = find(
        workspace_id=application.workspace_id,
        address=application.email,
        first_name=application.first_name,
        last_name=application.last_name,
        grade_level=application.grade_level,
        school=application.school,
    )
    return learner


def _enroll(application: Application, learner: Learner, now: dt.datetime) -> Enrollment:
    actor = Actor("application", application.pk)
    told: dict[str, Any] = {ANSWERS: application.answers} if application.answers else {}
    found = current_enrollment(learner_id=learner.pk, instance_id=application.instance_id)
    if found is not None and not may_be_renewed(found):
        enrollment = _take_up(found, told, actor, now)
    else:
        enrollment = create_enrollment(
            workspace_id=application.workspace_id,
            instance_id=application.instance_id,
            identification=ByEarlierEnrollment(found.cuid) if found else ByLearner(learner.cuid),
            details=EnrollmentDetails(metadata=_kept_of(found) | told),
            actor=actor,
            now=now,
        )
    enrollment = evaluate_enrollment(enrollment_id=enrollment.pk, actor=actor, now=now)
    if enrollment.eligibility_status != EligibilityStatus.ELIGIBLE:
        return enrollment
    if application.instance.price is not None:
        return begin_purchase(learner=learner, instance=application.instance, actor=actor, now=now)
    return submit_enrollment(enrollment_id=enrollment.pk, actor=actor, now=now)


def _take_up(found: Enrollment, told: dict[str, Any], actor: Actor, now: dt.datetime) -> Enrollment:
    """Return the learner's current enrollment if the application can continue it: nobody was asked for anything."""
    enrollment = lock_enrollment(found.pk)
    if enrollment.eligibility_status not in EVALUATED:
        raise AlreadyEnrolled(enrollment_id=enrollment.cuid)
    return change_enrollment(enrollment_id=enrollment.pk, changes={"metadata": told}, actor=actor, now=now)


def _kept_of(refused: Enrollment | None) -> dict[str, Any]:
    """Return what the workspace recorded about a person who applies again, for criteria; the answers are given anew."""
    known = refused.metadata if refused else {}
    return {key: value for key, value in known.items() if key != ANSWERS}


def _forget_what_moved(application: Application) -> None:
    """Clear what the enrollment and its learner now hold; a second copy would only have to be erased too."""
    application.first_name = ""
    application.last_name = ""
    application.grade_level = ""
    application.school = ""
    application.answers = {}
