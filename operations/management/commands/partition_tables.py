from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from core.partitions import convert
from operations.partitions import PARTITIONINGS


class Command(UseCaseCommand):
    help = (
        "Cut the tables that only grow into parts: histories by their enrollments and steps, the answers of "
        "Idempotency-Keys by days. Once per installation, on PostgreSQL. No row is moved: each table is read once "
        "beside those who write, and then locked for some milliseconds. Can be interrupted and started again; what "
        "has been converted is left alone. Parts for what comes next are made every hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="name the tables, change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        due = [each for each in PARTITIONINGS if not each.is_done()]
        if not options["dry_run"]:
            for each in due:
                convert(each, now=utc_now())
        return {"dry_run": options["dry_run"], "converted": [each.table for each in due] or ["none, all are in parts"]}
