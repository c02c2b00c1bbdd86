"""The places of a cohort, and what a refusal must leave as it was."""

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.models import Checkout
from cohorts.models import Cohort, CohortPlace
from core.models import IdempotencyRecord
from enrollments.models import Enrollment
from events.models import OutboxEvent


def counts(cohort: Cohort) -> tuple[int, int]:
    """(taken, held)"""
    return Cohort.objects.values_list("current_enrollment", "held_places").get(pk=cohort.pk)


def written() -> tuple[int, ...]:
    """What a refusal must leave as it was."""
    models = (CohortPlace, Checkout, Enrollment, Learner, OutboxEvent, IdempotencyRecord)
    return tuple(model.objects.count() for model in models)


def children(cohort: Cohort, count: int) -> list[Learner]:
    return LearnerFactory.create_batch(count, workspace=cohort.instance.workspace)
