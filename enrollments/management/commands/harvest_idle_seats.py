from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from core.work import in_batches
from enrollments.allocations.idle.asking import ask_idle
from enrollments.allocations.idle.finding import allocations_with_rule, find_idle
from enrollments.allocations.idle.reclaiming import due_seats, reclaim_due
from enrollments.models import IdleSeat
from enrollments.states import IdleSeatStatus


class Command(UseCaseCommand):
    help = (
        "Ask the families of idle seats whether they are still coming, and take back the seats that "
        "nobody kept in time, as the scheduler does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="count and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        now = utc_now()
        found = [
            idle
            for allocation in allocations_with_rule()
            for each in find_idle(allocation=allocation, now=now)
            for idle in each
        ]
        known = {
            "dry_run": options["dry_run"],
            "idle": len(found),
            "without_address": sum(not idle.readers for idle in found),
            "due": due_seats(now).count(),
        }
        if options["dry_run"]:
            return {**known, "asked": 0, "reclaimed": 0}
        asked = ask_idle(now=now)
        in_batches(reclaim_due, size=50, at_most=1_000)
        reclaimed = IdleSeat.objects.filter(status=IdleSeatStatus.RECLAIMED, settled_at__gte=now).count()
        return {**known, "asked": asked, "reclaimed": reclaimed}
