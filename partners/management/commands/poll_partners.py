from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from partners.models import EnrollmentStep
from partners.polling import ring_for_due_polls


class Command(UseCaseCommand):
    help = (
        "Ask partners for the progress of learners they have not reported on for a while: all "
        "partners, or one. The worker sends the requests in the background."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--partner", metavar="SLUG", default="", help="only this partner")
        parser.add_argument("--all", action="store_true", help="even for learners who are not due yet")
        parser.add_argument("--dry-run", action="store_true", help="count the affected learners and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        now = utc_now()
        steps = EnrollmentStep.objects.to_poll()
        if options["partner"]:
            steps = steps.filter(provider__slug=options["partner"])
        if not options["all"]:
            steps = steps.filter(next_attempt_at__lte=now)
        report = {"steps_due": steps.count(), "partners_asked": 0}
        if not options["dry_run"]:
            if options["all"]:
                steps.update(next_attempt_at=now)
            report["partners_asked"] = ring_for_due_polls(partner=options["partner"], now=now)
        return report

    def show(self, report: dict[str, Any]) -> None:
        self.say(f"{report['steps_due']:,} learners are due; the worker asks {report['partners_asked']:,} partners.")
