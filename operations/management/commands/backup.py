from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from operations.backup.making import foresee_backup, make_backup


class Command(UseCaseCommand):
    help = (
        "Write the database and all uploaded files into a folder, with checksums and counts, while "
        "people work. PostgreSQL needs pg_dump; SQLite needs nothing. The folder holds personal "
        "data: keep it as docs/security.md says."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", metavar="FOLDER", type=Path, help="a new folder, or an empty one")
        parser.add_argument("--dry-run", action="store_true", help="count what would be in it and write nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        folder: Path = options["folder"]
        if options["dry_run"]:
            forecast = foresee_backup(folder=folder)
            return {"dry_run": True, "folder": str(folder), "rows": forecast.rows, "files": forecast.files}
        manifest = make_backup(folder=folder, now=utc_now())
        return {
            "dry_run": False,
            "folder": str(folder),
            "rows": manifest.total,
            "files": manifest.files,
            "made_at": manifest.made_at.isoformat(),
        }
