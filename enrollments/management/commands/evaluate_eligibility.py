from typing import Any

from django.core.management.base import CommandParser

from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand
from core.work import quietly
from enrollments.eligibility.criteria import list_criteria
from enrollments.eligibility.trial import try_criteria
from enrollments.evaluation import evaluate_candidates, request_evaluation
from enrollments.models import EvaluationJob, ProgramInstance
from enrollments.programs import find_instance_anywhere


class Command(UseCaseCommand):
    help = (
        "Evaluate all candidates of a program instance by its criteria in the foreground, as the "
        "back office and the API do in the background. It can be interrupted and started again: "
        "nobody is evaluated twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--instance", required=True, help="CUID or number of the program instance")
        parser.add_argument("--tell-nobody", action="store_true", help="do not mail families the outcome")
        parser.add_argument("--dry-run", action="store_true", help="count the outcomes and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        instance = find_instance_anywhere(options["instance"])
        with self.progress(hide=options["json"]) as progress:
            if options["dry_run"]:
                trial = try_criteria(
                    instance=instance,
                    drafts=list_criteria(instance.pk, instance.criteria_version),
                    at_most=None,
                    only_candidates=True,
                    progress=progress,
                    now=utc_now(),
                )
                return {"instance": instance.cuid, "dry_run": True, "done": trial.tried, **trial.counts}
            job = _evaluate(instance, progress, are_families_told=not options["tell_nobody"])
        counts = {name: job.counts.get(name, 0) for name in ("eligible", "ineligible", "undecided")}
        return {"instance": instance.cuid, "job": job.cuid, "status": job.status, "done": job.done, **counts}


def _evaluate(instance: ProgramInstance, progress: Any, *, are_families_told: bool) -> EvaluationJob:
    """Do the work in this process. A job that another worker is busy with is left to it."""
    with quietly():
        job = request_evaluation(
            instance_id=instance.pk, actor=SYSTEM, are_families_told=are_families_told, now=utc_now()
        )
        while not job.is_finished:
            done = job.done
            evaluate_candidates(job_id=job.pk, now=utc_now())
            job.refresh_from_db()
            progress(job.done, max(job.total, job.done))
            if job.done == done:
                break
    return job
