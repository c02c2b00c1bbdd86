"""The places of a cohort, and the state that a refusal must leave unchanged."""

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.models import Checkout
from cohorts.models import Cohort, CohortPlace
from core.models import IdempotencyRecord
from enrollments.models import Enrollment
from events.models import OutboxEvent


def counts(cohort: Cohort) -> tuple[int, int]:
    """Return (taken, held)."""
    return Cohort.objects.values_list("current_enrollment", "held_places").get(pk=cohort.pk)


def written() -> tuple[int, ...]:
    """Return the state that a refusal must leave unchanged."""
    models = (CohortPlace, Checkout, Enrollment, Learner, OutboxEvent, IdempotencyRecord)
    return tuple(model.objects.count() for model in models)


def children(cohort: Cohort, count: int) -> list[Learner]:
    return LearnerFactory.create_batch(count, workspace=cohort.instance.workspace)
