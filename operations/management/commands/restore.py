from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.markup import escape

from core.commands import UseCaseCommand
from operations.backup.restoring import Plan, plan_restore, restore_backup


class Command(UseCaseCommand):
    help = (
        "Restore what `backup` wrote: all rows and files, or nothing if the backup is damaged or "
        "does not fit. Stop web, worker, and beat first. Learners who were erased since are erased "
        "again if the list that `export_erasures` wrote is given; without it they are back. All "
        "sessions end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", metavar="FOLDER", type=Path, help="what `backup` wrote")
        parser.add_argument("--erasures", metavar="FILE", type=Path, help="the newest that `export_erasures` wrote")
        parser.add_argument("--replace", action="store_true", help="replace the existing rows and files")
        parser.add_argument("--dry-run", action="store_true", help="check all of it and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        chosen = {
            "folder": options["folder"],
            "erasures": options["erasures"],
            "is_replacing": options["replace"],
        }
        if options["dry_run"]:
            return _told(plan_restore(**chosen), dry_run=True)
        restored = restore_backup(**chosen)
        return _told(restored.plan, dry_run=False) | {
            "erased_again": restored.erased_again,
            "sessions_ended": restored.sessions_ended,
        }

    def show(self, report: dict[str, Any]) -> None:
        warning = report["warning"]
        super().show({name: value for name, value in report.items() if name != "warning"})
        if warning:
            self.say(f"[bold red]{escape(warning)}[/]")


def _told(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    until = plan.knows_of_erasures_until.isoformat()
    warning = f"No list of erasures newer than the backup was given: learners who were erased after {until} are back."
    return {
        "dry_run": dry_run,
        "folder": str(plan.folder),
        "made_at": plan.manifest.made_at.isoformat(),
        "rows": plan.manifest.total,
        "files": plan.manifest.files,
        "migrations": list(plan.migrations) or ["none"],
        "erasures_known_until": until,
        "warning": "" if plan.list_is_newer else warning,
    }
