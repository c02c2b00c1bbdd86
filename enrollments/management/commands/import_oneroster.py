from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import existing_file
from core.work import quietly
from enrollments.imports.job import receive_roster
from enrollments.management.importing import ImportCommand


class Command(ImportCommand):
    help = (
        "Import a OneRoster 1.2 CSV archive in the foreground: districts, students with their "
        "parents, and enrollments in the program instances of its classes. If it is interrupted, the "
        "worker continues it. It can be imported again: rows that already exist stay as they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=existing_file, help="the ZIP archive")
        parser.add_argument("--workspace", metavar="SLUG", required=True, help="the workspace")

    def run(self, **options: Any) -> dict[str, Any]:
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise CommandError(f"There is no workspace {options['workspace']}.")
        path: Path = options["file"]
        with quietly(), path.open("rb") as file:
            job = receive_roster(
                workspace_id=workspace.pk,
                file=file,
                options=self.read_options(options),
                actor=SYSTEM,
                now=utc_now(),
            )
            self.work_on(job, is_quiet=options["json"])
        return self.report(job, dict(sorted(job.counts.items())))
