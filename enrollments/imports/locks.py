"""Locks for a batch of an import: everybody whom its lines are about, in the order of docs/concurrency.md."""

from collections.abc import Collection, Sequence

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from accounts.models import Lead, Learner
from core.errors import Unavailable
from core.rows import lock_rows

from ..identification import ByEarlierEnrollment, ByInfo, ByLead, ByLearner, Identification
from ..locks import lock_unless_lead_is_busy
from ..models import Enrollment, ProgramInstance


def lock_everybody(*, instance: ProgramInstance, named: Sequence[Identification], persons: Collection[str]) -> None:
    """Lock the learners, enrollments, and leads that the lines name, each table by its ids. `persons` are the people
    that lines describe, as `Learner.person` has them. Raises Unavailable if the enrollment of a lead is locked.

    Each line locks its own rows again, in the order of the file. The batch has them by then, so that of two files that
    name the same people in different orders, none waits while it holds somebody. People who are all identified alike,
    by a description or by their learner, are locked together anyway.
    """
    kinds = {type(each) for each in named}
    if kinds <= {ByInfo} or kinds <= {ByLearner}:
        return
    leads = Lead.objects.filter(
        workspace=instance.workspace_id, cuid__among=[each.lead_id for each in named if isinstance(each, ByLead)]
    )
    earlier = Enrollment.objects.kept().filter(
        workspace=instance.workspace_id,
        cuid__among=[each.enrollment_id for each in named if isinstance(each, ByEarlierEnrollment)],
    )
    lead_ids = {*leads.values_list("pk", flat=True), *earlier.values_list("lead", flat=True)} - {None}
    learner_ids = {
        *_learners(instance.workspace_id, named, persons),
        *Lead.objects.filter(pk__in=lead_ids).values_list("converted_to", flat=True),
        *earlier.values_list("learner", flat=True),
    } - {None}
    lock_rows(Learner, *learner_ids)
    of_these = Q(learner__id__among=list(learner_ids)) | Q(lead__id__among=list(lead_ids))
    current = Enrollment.objects.current().filter(of_these, instance=instance)
    if not lock_unless_lead_is_busy({*current.values_list("pk", flat=True), *earlier.values_list("pk", flat=True)}):
        raise Unavailable("The enrollment of a lead in this file is being changed right now; the batch is repeated.")
    lock_rows(Lead, *lead_ids)


def _learners(workspace_id: int, named: Sequence[Identification], persons: Collection[str]) -> list[int]:
    """Return those who are named by their id or described, or the learners into whom they were merged."""
    cuids = [each.customer_id for each in named if isinstance(each, ByLearner)]
    known = Learner.objects.filter(Q(cuid__among=cuids) | Q(person__among=list(persons)), workspace=workspace_id)
    return list(known.annotate(alive=Coalesce("merged_into", F("pk"))).values_list("alive", flat=True))
