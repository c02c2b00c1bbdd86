from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from partners.nudges.sending import Report, list_due, send_nudges


class Command(UseCaseCommand):
    help = (
        "Send reminder emails (nudges) to whoever's turn it is: families of learners who are stuck, "
        "and partners that learners are waiting for. Each gets at most one a week, between 9:00 and "
        "18:00 in the workspace's time zone. The worker does this once an hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="count who is due and send nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        now = utc_now()
        due = list_due(now=now)
        families = sum(each.enrollment_id is not None for each in due)
        report = Report() if options["dry_run"] else send_nudges(now=now)
        return {
            "families_due": families,
            "contacts_due": len(due) - families,
            "families_nudged": report.families,
            "contacts_nudged": report.contacts,
            "given_up": report.given_up,
        }

    def show(self, report: dict[str, Any]) -> None:
        self.say(
            f"{report['families_due']:,} families and {report['contacts_due']:,} partners are due. "
            f"Nudged {report['families_nudged']:,} and {report['contacts_nudged']:,}; gave up {report['given_up']:,}."
        )
