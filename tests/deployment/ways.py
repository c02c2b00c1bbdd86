"""What people on their way through the platform find there, and how far they got; called inside it."""

from typing import Any

from accounts.models import Membership, Workspace
from accounts.states import Role
from accounts.tests.factories import StaffFactory
from billing.models import Refund
from cohorts.models import StepProgress
from enrollments.models import Enrollment, EnrollmentDecision
from partners.models import Certificate
from tests.journeys import courses, town

PASSWORD = "a-desk-that-stays-open"


def build() -> dict[str, Any]:
    """Create the journeys' workspaces: the key and instance of one, the cohorts of the other, and staff of both."""
    cohorts, found = courses.build(), town.build()
    staff = StaffFactory(email="owner@riverbend.test")
    staff.set_password(PASSWORD)
    staff.save()
    Membership.objects.create(workspace=Workspace.objects.get(slug="riverbend"), user=staff, role=Role.OWNER)
    return {
        "key": found["key"],
        "instance": found["automatic"],
        "cohort": cohorts["ROBOTS"]["Evenings"],
        "staff": staff.email,
        "password": PASSWORD,
    }


def payments() -> dict[str, int]:
    """Return what the families of Riverbend paid, by the learner's address."""
    paid = EnrollmentDecision.objects.filter(workspace__slug="riverbend", payment__isnull=False)
    return dict(paid.values_list("learner__email", "payment"))


def arrived() -> dict[str, list[Any]]:
    """Return who has completed which journey, once per row."""
    booked = StepProgress.objects.filter(status="BOOKED", package__cohort__name="Evenings")
    approved = Enrollment.objects.filter(instance__name="By hand", eligibility_status="approved")
    refunds = Refund.objects.filter(status="succeeded", payment__workspace__slug="riverbend")
    payers = {payment: email for email, payment in payments().items()}
    return {
        "purchase": sorted(map(str, booked.values_list("package__learner__first_name", flat=True))),
        "application": sorted(map(str, approved.values_list("learner__email", flat=True))),
        "course": sorted(map(str, Certificate.objects.values_list("enrollment__learner__email", flat=True))),
        "refund": sorted(payers[payment] for payment in refunds.values_list("payment", flat=True)),
    }
