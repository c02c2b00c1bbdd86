"""Criteria for the tests of every app, set as staff would."""

from core.clock import utc_now
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.models import ProgramInstance
from enrollments.tests.factories import STAFF


def set_criteria(instance: ProgramInstance, *drafts: CriterionDraft) -> ProgramInstance:
    """Give the instance these criteria; `instance` itself gets its new version too."""
    changed = change_criteria(instance_id=instance.pk, drafts=drafts, actor=STAFF, now=utc_now())
    instance.criteria_version = changed.criteria_version
    return instance


def set_criterion(
    instance: ProgramInstance, expression: str, *, otherwise: str = "Not eligible", because: str = ""
) -> ProgramInstance:
    """Give the instance one criterion."""
    return set_criteria(instance, CriterionDraft("The only one", expression, otherwise, because))
