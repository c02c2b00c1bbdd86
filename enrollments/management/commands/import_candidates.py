import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand
from core.jobs import JobStatus
from core.work import quietly
from enrollments.imports.batch import ENDING, FAILED, IMPORTED, SKIPPED, UPDATED
from enrollments.imports.job import import_candidates, receive_import
from enrollments.imports.options import Options
from enrollments.imports.reading import Format, kind_of
from enrollments.models import ImportJob
from enrollments.programs import find_instance_anywhere
from enrollments.states import DuplicatePolicy, ImportStage

FAULTS_TOLD = 20
COUNTED = (IMPORTED, UPDATED, SKIPPED, FAILED, "eligible", "ineligible", "undecided", ENDING)


class Command(UseCaseCommand):
    help = (
        "Import candidates from a CSV or JSON lines file of any size into a program instance, here and now. If it is "
        "interrupted, the worker goes on with it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=_file, help="the file; .jsonl and .ndjson are JSON lines, others are CSV")
        parser.add_argument("--instance", required=True, help="CUID or number of the program instance")
        parser.add_argument("--evaluate", action="store_true", help="evaluate each candidate by the criteria")
        parser.add_argument(
            "--on-duplicate",
            choices=DuplicatePolicy.values,
            default=DuplicatePolicy.SKIP.value,
            help="what to do about people who are enrolled already",
        )
        parser.add_argument("--tell-nobody", action="store_true", help="send families no mail about what was found")
        parser.add_argument(
            "--confirm-endings",
            action="store_true",
            help="go on even if more than a tenth of the current enrollments would become ineligible",
        )
        parser.add_argument("--dry-run", action="store_true", help="find out what would happen and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        instance = find_instance_anywhere(options["instance"])
        path: Path = options["file"]
        asked = Options(
            evaluate=options["evaluate"],
            on_duplicate=options["on_duplicate"],
            tell_families=not options["tell_nobody"],
            may_end_many=options["confirm_endings"],
            is_rehearsal=options["dry_run"],
        )
        with quietly(), path.open("rb") as file:
            kind: Format = kind_of(path.name)
            job = receive_import(
                instance_id=instance.pk, file=file, kind=kind, options=asked, actor=SYSTEM, now=utc_now()
            )
            self._work_on(job, is_quiet=options["json"])
        if job.status == JobStatus.FAILED:
            raise CommandError(f"Import {job.cuid} was given up: {job.last_error}")
        if job.stage == ImportStage.STOPPED:
            ending = job.counts.get(ENDING, 0)
            raise CommandError(
                f"{ending:,} enrollments would become ineligible, more than a tenth. Nothing was changed. Run it again "
                "with --confirm-endings if that is meant."
            )
        faults = job.faults.order_by("line", "pk")[:FAULTS_TOLD]
        return {
            "import": job.cuid,
            "status": job.status,
            "dry_run": asked.is_rehearsal,
            "rows": job.total,
            **{name: job.counts.get(name, 0) for name in COUNTED},
            "notice": job.notice,
            "errors": [f"line {fault.line}, {fault.field}: {fault.detail}" for fault in faults],
        }

    def _work_on(self, job: ImportJob, *, is_quiet: bool) -> None:
        """Do the work in this process, unless a worker's sweep has taken it up."""
        with Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
            disable=is_quiet or not sys.stderr.isatty(),
        ) as bar:
            shown = bar.add_task("Importing", total=job.total)
            while not job.is_finished:
                before = (job.stage, job.done)
                import_candidates(job_id=job.pk, now=utc_now())
                job.refresh_from_db()
                bar.update(shown, completed=job.done)
                if (job.stage, job.done) == before:
                    break


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"there is no file {text}")
    return path
