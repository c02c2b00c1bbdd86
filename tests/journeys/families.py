"""A family that has each kind of object, with realistically long names, and staff who set up its courses."""

from accounts.consents import give_consents
from accounts.models import Learner
from accounts.name_changes import ask_for_name
from accounts.states import ConsentWay, Role
from accounts.tests.factories import (
    ConsentTextFactory,
    GuardianFactory,
    GuardianshipFactory,
    LearnerFactory,
    MembershipFactory,
    StaffFactory,
    WorkspaceFactory,
)
from billing.refund_policy import RefundTier
from cohorts.models import Cohort
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.refund_rules import set_refund_policy
from enrollments.tests.factories import STAFF

PARENT = "wilhelmina.featherstonehaugh-cholmondeley@long-family-names.test"
PASSWORD = "a-desk-with-a-view"
LAST_NAME = "Featherstonehaugh-Cholmondeley"


def build() -> dict[str, str]:
    """Create them; return the parent's address, the family's own pages, and the staff member with their password."""
    workspace = WorkspaceFactory(slug="longnames", name="Donaudampfschifffahrtsgesellschaft Summer Academy")
    cohort = cohort_with(
        options=(1, 2),
        instance__workspace=workspace,
        instance__program__title="Electroencephalography and neuropsychology for curious minds",
        name="Wednesday and Saturday afternoons",
    )
    program = cohort.instance.program
    tiers = [RefundTier(days_before_start=14), RefundTier(days_before_start=0, kept_percent=50)]
    set_refund_policy(program=program, instance=None, tiers=tiers, currency="usd", actor=STAFF, now=utc_now())
    guardian = GuardianFactory(workspace=workspace, email=PARENT)
    children = {
        name: LearnerFactory(workspace=workspace, first_name=name, last_name=LAST_NAME, external_id=None)
        for name in NAMES
    }
    for child in children.values():
        GuardianshipFactory(guardian=guardian, learner=child)
    going_on = buy_on_rows(cohort, children["Maximiliana"])
    over = buy_on_rows(cohort, children["Bartholomew"])
    unenroll_enrollment(enrollment_id=over.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())
    Cohort.objects.filter(pk=cohort.pk).update(max_enrollment=1)
    join_waitlist(learner_id=children["Konstantin"].pk, cohort_id=cohort.pk, now=utc_now())
    _ask_for_another_name(children["Konstantin"])
    photos = ConsentTextFactory(
        workspace=workspace, title="You may show photos of our child", text="On pages.\n\nIn print."
    )
    [consent] = give_consents(
        learner_id=children["Konstantin"].pk,
        address=PARENT,
        text_ids=[photos.pk],
        way=ConsentWay.FORM,
        actor=STAFF,
        now=utc_now(),
    )
    free = cohort_with(options=(1,), instance__workspace=workspace)
    staff = StaffFactory(email="admin@longnames.test")
    staff.set_password(PASSWORD)
    staff.save()
    MembershipFactory(workspace=workspace, user=staff, role=Role.ADMIN)
    return {
        "parent": PARENT,
        "staff": staff.email,
        "password": PASSWORD,
        "course": f"/courses/{program.code}",
        "enrollment": f"/my/enrollments/{going_on.enrollment.cuid}",
        "over": f"/my/enrollments/{over.enrollment.cuid}",
        "name": f"/my/learners/{children['Maximiliana'].cuid}/name",
        "name_asked": f"/my/learners/{children['Konstantin'].cuid}/name",
        "consent": f"/my/data/{children['Konstantin'].cuid}/consents/{consent.pk}",
        "consents_asked": f"/courses/{free.instance.program.code}/cohorts/{free.pk}/enroll",
        "book": f"/my/courses/{going_on.pk}/book",
        "enroll": f"/courses/{program.code}/cohorts/{cohort.pk}/enroll",
    }


NAMES = ("Maximiliana", "Bartholomew", "Konstantin")


def _ask_for_another_name(child: Learner) -> None:
    ask_for_name(learner_id=child.pk, first_name="Philippa", last_name=LAST_NAME, actor=STAFF, now=utc_now())
