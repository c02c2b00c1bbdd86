import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from accounts.models import Workspace
from core.clock import utc_now
from core.commands import UseCaseCommand
from core.work import quietly
from enrollments.oneroster.archive import open_archive
from enrollments.oneroster.people import import_people


class Command(UseCaseCommand):
    help = (
        "Import the students of a OneRoster 1.2 CSV archive as learners, and their parents as guardians. It may be "
        "brought again, also after an interruption: what is there already stays as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=_file, help="the ZIP archive")
        parser.add_argument("--workspace", metavar="SLUG", required=True, help="the workspace")
        parser.add_argument("--dry-run", action="store_true", help="find out what would happen and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise CommandError(f"There is no workspace {options['workspace']}.")
        path: Path = options["file"]
        is_quiet = options["json"] or not sys.stderr.isatty()
        with (
            quietly(),
            path.open("rb") as file,
            open_archive(file) as archive,
            Progress(console=Console(file=sys.stderr), transient=True, disable=is_quiet) as bar,
        ):
            shown = bar.add_task("Importing", total=None)
            done = import_people(
                archive,
                workspace_id=workspace.pk,
                dry_run=options["dry_run"],
                now=utc_now(),
                told=lambda rows: bar.advance(shown, rows),
            )
        return {
            "dry_run": options["dry_run"],
            **dict(sorted(done.counts.items())),
            "errors": [f"{one.file} line {one.line}, {one.fault.field}: {one.fault.detail}" for one in done.faults],
        }


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"there is no file {text}")
    return path
