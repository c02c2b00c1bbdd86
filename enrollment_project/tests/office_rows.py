"""The rows that buttons of the back office are for and the small demo lacks, in the first of its workspaces."""

from collections.abc import Iterator

from factory.django import DjangoModelFactory

from accounts.guardians import find_or_create_guardian
from accounts.models import Membership, SecondFactor, Workspace
from accounts.staff_tasks import raise_staff_task
from accounts.task_kinds import NO_ADDRESS, TWINS
from accounts.tests.factories import LearnerFactory
from accounts.twins import subject_of
from billing.models import Invoice, Mismatch, Payment, StripeEvent
from billing.offline import Proof
from billing.states import OfflineMeans
from cohorts.learning.attendance import excuse_step
from cohorts.models import CohortSession, StepProgress
from cohorts.tests.factories import cohort_with
from core.clock import utc_now
from enrollments.offline import pay_offline
from enrollments.on_account import enroll_on_account
from enrollments.tests.factories import STAFF, InstanceFactory
from enrollments.tests.importing import csv_of, import_file
from events.models import WebhookDelivery
from events.states import DisabledReason
from events.webhooks.endpoints import create_endpoint, disable_endpoint
from partners.providers import pause_provider
from partners.tests.factories import ProviderFactory, approved, define, group

from .small_demo import MINE

UNUSED = 1_000


def add_rows_for_buttons() -> None:
    """Add a row for each button that would otherwise have none. Another process may have made the demo: the factories
    of this one do not know its numbers.
    """
    for made in _factories(DjangoModelFactory):
        made.reset_sequence(UNUSED, force=True)
    workspace = Workspace.objects.get(slug=MINE)
    for add in (_of_people, _of_money, _of_courses, _of_imports, _of_webhooks, _of_partners):
        add(workspace)


def _factories(kind: type[DjangoModelFactory]) -> Iterator[type[DjangoModelFactory]]:
    for each in kind.__subclasses__():
        yield each
        yield from _factories(each)


def _of_people(workspace: Workspace) -> None:
    colleague = Membership.objects.get(workspace=workspace, user__email="viewer@role.test").user
    SecondFactor.objects.create(user=colleague)
    guardian = find_or_create_guardian(workspace_id=workspace.pk, external_id="G-without-address")
    twins = [LearnerFactory(workspace=workspace, first_name="Ida", last_name="Bell") for _ in range(2)]
    for kind, subject in ((NO_ADDRESS, f"guardian:{guardian.pk}"), (TWINS, subject_of(*(each.pk for each in twins)))):
        raise_staff_task(workspace_id=workspace.pk, kind=kind, subject=subject, summary="Look at it")


def _of_money(workspace: Workspace) -> None:
    now = utc_now()
    course = InstanceFactory(workspace=workspace, is_default=False)
    learner = LearnerFactory(workspace=workspace, external_id="pays-in-cash")
    enrollment = enroll_on_account(
        workspace_id=workspace.pk, course_id=course.pk, user_id=learner.external_id, actor=STAFF, now=now
    )
    pay_offline(enrollment_id=enrollment.pk, proof=Proof(OfflineMeans.CASH, STAFF), now=now)
    refused = Invoice.objects.filter(workspace=workspace, status="issued", corrects=None).latest("pk")
    Invoice.objects.filter(pk=refused.pk).update(status="failed", number="", issued_at=None)
    settled = Payment.objects.filter(workspace=workspace, status="paid", method="stripe").latest("pk")
    Mismatch.objects.create(
        workspace=workspace,
        kind="paid_without_place",
        subject=f"payment:{settled.pk}",
        amount_minor=settled.amount_minor,
        currency=settled.currency,
        happened_at=now,
        found_at=now,
    )
    StripeEvent.objects.create(
        event_id="evt_waits",
        type="charge.refunded",
        payload={"object": "charge", "id": "ch_1"},
        stripe_created_at=now,
    )


def _of_courses(workspace: Workspace) -> None:
    cohort = cohort_with(options=(1, 2), instance__workspace=workspace, instance__is_default=False)
    CohortSession.objects.filter(cohort=cohort).delete()
    missed = StepProgress.objects.filter(package__learner__workspace=workspace, package__revoked_at=None)
    excuse_step(
        progress_id=missed.filter(status="UNBOOKED").earliest("pk").pk, reason="Ill", actor=STAFF, now=utc_now()
    )


def _of_imports(workspace: Workspace) -> None:
    instance = InstanceFactory(workspace=workspace, is_default=False, price=None)
    import_file(instance, csv_of(2), is_rehearsal=True)


def _of_webhooks(workspace: Workspace) -> None:
    now = utc_now()
    asleep = create_endpoint(workspace_id=workspace.pk, url="https://asleep.example.org/in", event_types=["*"], now=now)
    disable_endpoint(endpoint_id=asleep.pk, reason=DisabledReason.BY_HAND, now=now)
    queued = WebhookDelivery.objects.filter(endpoint__workspace=workspace, event__isnull=False)
    given_up = queued.filter(endpoint__disabled_at=None).latest("pk")
    WebhookDelivery.objects.filter(pk=given_up.pk).update(status="failed")


def _of_partners(workspace: Workspace) -> None:
    training = InstanceFactory(workspace=workspace, price=None, is_default=False)
    define(training, group(training, 1))
    approved(training)
    define(training, group(training, 2))
    ProviderFactory(workspace=workspace, adapter="manual", base_url="", api_key="")
    pause_provider(provider_id=ProviderFactory(workspace=workspace).pk, now=utc_now())
