from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from core.numbers import MAX_INT
from core.work import quietly
from privacy.forgetting import count_overdue, forget_overdue
from privacy.models import Retention


class Command(UseCaseCommand):
    help = (
        "Remove data that is past its workspace's retention period, as the scheduler does every "
        "quarter of an hour. Settings that changed within the last day are not applied yet. It can "
        "be interrupted and started again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--workspace", metavar="SLUG", help="only this workspace; all by default")
        parser.add_argument("--dry-run", action="store_true", help="count what is overdue and change nothing")
        parser.add_argument("--limit", type=whole_number(1, MAX_INT), help="remove at most this many rows")

    def run(self, **options: Any) -> dict[str, Any]:
        now = utc_now()
        settings = Retention.objects.all()
        if options["workspace"]:
            settings = settings.filter(workspace__slug=options["workspace"])
            if not settings.exists():
                raise CommandError(f"There is no workspace {options['workspace']!r} that has retention settings.")
        if options["dry_run"]:
            return {"dry_run": True, **_count(settings.in_force(now=now), now)}
        one = settings.get().workspace_id if options["workspace"] else None
        with quietly():
            gone = forget_overdue(at_most=options["limit"] or MAX_INT, workspace_id=one, now=now)
        return {"dry_run": False, **{kind.value: rows for kind, rows in gone.items()}}


def _count(settings: Any, now: Any) -> dict[str, int]:
    counted: dict[str, int] = {}
    for retention in settings.order_by("pk"):
        for kind, rows in count_overdue(retention, now=now).items():
            counted[kind.value] = counted.get(kind.value, 0) + rows
    return counted
