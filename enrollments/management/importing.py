"""What the commands that import a file share: their options, the progress bar, and how they end."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from core.jobs import JobStatus
from enrollments.imports.job import import_candidates
from enrollments.imports.options import Options
from enrollments.imports.outcome import ENDING
from enrollments.models import ImportFault, ImportJob
from enrollments.states import DuplicatePolicy, ImportStage

FAULTS_TOLD = 20


class ImportCommand(UseCaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--evaluate", action="store_true", help="evaluate each candidate by the criteria")
        parser.add_argument(
            "--on-duplicate",
            choices=DuplicatePolicy.values,
            default=DuplicatePolicy.SKIP.value,
            help="what to do about people who are already enrolled",
        )
        parser.add_argument("--tell-nobody", action="store_true", help="do not mail families the outcome")
        parser.add_argument(
            "--confirm-endings",
            action="store_true",
            help="go on even if more than a tenth of the current enrollments would end or become ineligible",
        )
        parser.add_argument("--dry-run", action="store_true", help="report what would happen and change nothing")

    @staticmethod
    def read_options(options: dict[str, Any]) -> Options:
        return Options(
            evaluate=options["evaluate"],
            on_duplicate=options["on_duplicate"],
            tell_families=not options["tell_nobody"],
            may_end_many=options["confirm_endings"],
            is_rehearsal=options["dry_run"],
        )

    def work_on(self, job: ImportJob, *, is_quiet: bool) -> None:
        """Do the work in this process, unless a worker's sweep has picked it up."""
        with self.progress(hide=is_quiet) as progress:
            while not job.is_finished:
                before = (job.stage, job.done)
                import_candidates(job_id=job.pk, now=utc_now())
                job.refresh_from_db()
                progress(job.done, job.total)
                if (job.stage, job.done) == before:
                    break

    @staticmethod
    def report(job: ImportJob, counts: dict[str, int]) -> dict[str, Any]:
        """Return the outcome. Raises CommandError if the import failed, or if the brake holds it."""
        if job.status == JobStatus.FAILED:
            raise CommandError(f"Import {job.cuid} was given up: {job.last_error}")
        if job.stage == ImportStage.STOPPED:
            ending = job.counts.get(ENDING, 0)
            raise CommandError(
                f"{ending:,} enrollments would end or become ineligible, more than a tenth. Nothing was changed. Run "
                "it again with --confirm-endings if that is meant."
            )
        faults = job.faults.order_by("file", "line", "pk")[:FAULTS_TOLD]
        return {
            "import": job.cuid,
            "status": job.status,
            "dry_run": job.options["is_rehearsal"],
            "rows": job.total,
            **counts,
            "notice": job.notice,
            "errors": [_told(fault) for fault in faults],
        }


def _told(fault: ImportFault) -> str:
    return f"{fault.file} line {fault.line}, {fault.field}: {fault.detail}".lstrip()
