from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand, existing_file
from partners.models import Provider
from partners.worklist import import_results


class Command(UseCaseCommand):
    help = (
        "Record the results of a partner without an API: a CSV file as export_partner_worklist "
        "prints it, with accepted, completed, or refused in the column result. It can be imported "
        "again. Exits with 1 if a line has a mistake, which is reported by line and column; the "
        "other lines are still recorded."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("partner", metavar="SLUG", help="the partner")
        parser.add_argument("file", type=existing_file, help="the CSV file")
        parser.add_argument("--dry-run", action="store_true", help="find the mistakes and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        self._has_faults = False
        super().handle(*args, **options)
        if self._has_faults:
            raise SystemExit(1)

    def run(self, **options: Any) -> dict[str, Any]:
        provider = Provider.objects.filter(slug=options["partner"]).first()
        if provider is None:
            raise CommandError(f"There is no partner {options['partner']}.")
        path: Path = options["file"]
        with path.open("rb") as file:
            done = import_results(provider=provider, file=file, dry_run=options["dry_run"], actor=SYSTEM, now=utc_now())
        self._has_faults = bool(done.faults)
        return {
            "dry_run": options["dry_run"],
            "changed": done.changed,
            "unchanged": done.unchanged,
            "faults": [f"line {line}, {fault.field}: {fault.detail}" for line, fault in done.faults],
        }
