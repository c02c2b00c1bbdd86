from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from operations.backup.keeping import foresee_keeping, keep_backup


class Command(UseCaseCommand):
    help = (
        "Make a backup in a new folder inside FOLDER, with the list of erasures beside it, verify "
        "it, and then remove the oldest backups beyond the number to keep. Schedule it; "
        "docs/runbook.md says how."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the backups are, each in its own folder")
        parser.add_argument(
            "--keep", type=whole_number(1, 1000), default=35, help="how many, the new one included; default: 35"
        )
        parser.add_argument("--dry-run", action="store_true", help="report what would be done and do nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        shelf: Path = options["folder"]
        if options["dry_run"]:
            forecast, removed = foresee_keeping(shelf=shelf, keep=options["keep"], now=utc_now())
            return {"dry_run": True, "rows": forecast.rows, "files": forecast.files, "removed": list(removed)}
        kept = keep_backup(shelf=shelf, keep=options["keep"], now=utc_now())
        return {
            "dry_run": False,
            "folder": str(shelf / kept.backup.name),
            "rows": kept.backup.rows,
            "files": kept.backup.files,
            "bytes": kept.backup.size_bytes,
            "removed": list(kept.removed),
        }
