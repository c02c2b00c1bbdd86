from typing import Any

from django.core.management.base import CommandParser

from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from core.numbers import MAX_INT
from partners.interventions import retry_step
from partners.models import EnrollmentStep


class Command(UseCaseCommand):
    help = (
        "Ask partners again about failed steps: all partners, or one. The worker sends the requests "
        "in the background, and first checks whether the partner already has the learner."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--partner", metavar="SLUG", default="", help="only this partner's steps")
        parser.add_argument(
            "--limit", type=whole_number(1, MAX_INT), default=1000, help="how many at most, oldest first (1000)"
        )
        parser.add_argument(
            "--reason", default="Tried again from the command line", help="what the history says about it"
        )
        parser.add_argument("--dry-run", action="store_true", help="count what has failed and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        failed = EnrollmentStep.objects.failed()
        if options["partner"]:
            failed = failed.filter(provider__slug=options["partner"])
        step_ids = list(failed.order_by("pk").values_list("pk", flat=True)[: options["limit"]])
        if not options["dry_run"]:
            for step_id in step_ids:
                retry_step(step_id=step_id, reason=options["reason"], actor=SYSTEM, now=utc_now())
        return {"steps_retried": 0 if options["dry_run"] else len(step_ids), "steps_failed": failed.count()}

    def show(self, report: dict[str, Any]) -> None:
        self.say(f"Queued {report['steps_retried']:,} steps again; {report['steps_failed']:,} have failed.")
