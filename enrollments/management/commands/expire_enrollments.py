from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from core.numbers import MAX_INT
from core.work import quietly
from enrollments.expiry import expire_in_batches
from enrollments.models import Enrollment


class Command(UseCaseCommand):
    help = (
        "Complete the enrollments that are past their end now, as the scheduler does every ten "
        "minutes. It can be interrupted and started again, and may run in several places at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="count what is past its end and change nothing")
        parser.add_argument("--limit", type=whole_number(1, MAX_INT), help="complete at most this many")

    def run(self, **options: Any) -> dict[str, Any]:
        due = Enrollment.objects.due_to_expire(now=utc_now()).count()
        limit = options["limit"] or MAX_INT
        if options["dry_run"]:
            return {"dry_run": True, "due": due, "expired": 0, "failed": 0}
        done = failed = 0
        with quietly(), self.progress(hide=options["json"]) as progress:
            for batch in expire_in_batches(at_most=limit, clock=utc_now):
                done += len(batch.completed)
                failed += len(batch.failed)
                progress(done, min(due, limit))
        return {"dry_run": False, "due": due, "expired": done, "failed": failed}
