from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from core.partitions import convert
from operations.partitions import PARTITIONINGS


class Command(UseCaseCommand):
    help = (
        "Partition the append-only tables: histories by enrollment and step, stored answers of "
        "Idempotency-Keys by day. Run it once per installation, on PostgreSQL. No row is moved: each "
        "table is read once while others write, and then locked for a few milliseconds. It can be "
        "interrupted and started again; converted tables are left alone. New partitions are created "
        "every hour."
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
