from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import existing_file
from core.work import quietly
from enrollments.imports.job import receive_import
from enrollments.imports.outcome import ENDING, FAILED, IMPORTED, SKIPPED, UPDATED
from enrollments.imports.reading import Format, kind_of
from enrollments.management.importing import ImportCommand
from enrollments.programs import find_instance_anywhere

COUNTED = (IMPORTED, UPDATED, SKIPPED, FAILED, "eligible", "ineligible", "undecided", ENDING)


class Command(ImportCommand):
    help = (
        "Import candidates from a CSV or JSON lines file of any size into a program instance, in the "
        "foreground. If it is interrupted, the worker continues it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "file", type=existing_file, help="the file; .jsonl and .ndjson are JSON lines, others are CSV"
        )
        parser.add_argument("--instance", required=True, help="CUID or number of the program instance")

    def run(self, **options: Any) -> dict[str, Any]:
        instance = find_instance_anywhere(options["instance"])
        path: Path = options["file"]
        with quietly(), path.open("rb") as file:
            kind: Format = kind_of(path.name)
            job = receive_import(
                instance_id=instance.pk,
                file=file,
                kind=kind,
                options=self.read_options(options),
                actor=SYSTEM,
                now=utc_now(),
            )
            self.work_on(job, is_quiet=options["json"])
        return self.report(job, {name: job.counts.get(name, 0) for name in COUNTED})
