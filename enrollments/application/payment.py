"""Paying after an application, on the router's own payment page."""

import datetime as dt

from core.actors import Actor
from core.errors import require
from core.http.idempotency import Claim

from ..models import Application
from ..routing.request import LearnerProfile, RoutingContext
from ..routing.route import route_learner


def open_payment_page(*, application: Application, voucher: str = "", now: dt.datetime) -> None:
    """Prepare a payment page for a confirmed application that waits for its payment; an open one is kept. A code that
    leaves nothing to pay completes it at once.

    Call this outside any transaction. Raises what routing raises: PaymentProviderDown, PaymentRejected, NotForSale,
    Unavailable, VoucherNotAccepted, VoucherTooLate.
    """
    enrollment = require(application.enrollment, "what is paid for is an enrollment")
    learner = require(enrollment.learner, "an application makes a learner")
    route_learner(
        workspace_id=application.workspace_id,
        actor=Actor("application", application.pk),
        profile=LearnerProfile(
            email=learner.email,
            first_name=learner.first_name,
            last_name=learner.last_name,
            learner_id=learner.cuid,
            grade_level=learner.grade_level,
            school=learner.school,
            received={"learner_id": learner.cuid, "email": learner.email, "grade_level": learner.grade_level},
        ),
        context=RoutingContext(
            received={"application_id": application.pk},
            program_instance=application.instance.cuid,
            voucher=voucher,
        ),
        claim=Claim(scope="application", key=None, fingerprint=""),
        now=now,
    )
