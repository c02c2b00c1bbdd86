from typing import Any

from django.core.management.base import CommandParser

from accounts.models import Workspace
from core.clock import utc_now
from core.commands import UseCaseCommand
from core.errors import NotFound
from partners.pipeline import PartnerFigures, pipeline_of


class Command(UseCaseCommand):
    help = (
        "Report the progress of a workspace's learners at its partners: how many are where, how many "
        "complete, how long it takes, who is stuck, and which partner has the most learners stuck. "
        "Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--workspace", metavar="SLUG", required=True, help="whose partners")

    def run(self, **options: Any) -> dict[str, Any]:
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise NotFound(f"There is no workspace {options['workspace']}.")
        return {"partners": [_row(each) for each in pipeline_of(workspace_id=workspace.pk, now=utc_now())]}

    def show(self, report: dict[str, Any]) -> None:
        if not report["partners"]:
            self.say("This workspace has no partners.")
        for row in report["partners"]:
            mark = ", the bottleneck" if row["bottleneck"] else ""
            median = "unknown" if row["median_days"] is None else f"{row['median_days']:g}"
            self.say(
                f"{row['partner']}{mark}: {row['pending']:,} pending, {row['in_progress']:,} in progress, "
                f"{row['completed']:,} completed, {row['failed']:,} failed, {row['skipped']:,} skipped; "
                f"median days {median}; {row['stuck']:,} stuck, {row['sla_breaches']:,} later than agreed."
            )


def _row(figures: PartnerFigures) -> dict[str, Any]:
    return {
        "partner": figures.provider.slug,
        "pending": figures.pending,
        "in_progress": figures.in_progress,
        "completed": figures.completed,
        "failed": figures.failed,
        "skipped": figures.skipped,
        "withdrawn": figures.withdrawn,
        "completion_rate": figures.completion_rate,
        "drop_off_rate": figures.drop_off_rate,
        "median_days": figures.median_days,
        "completed_last_4_weeks": figures.lately,
        "completed_4_weeks_before": figures.before,
        "stuck": figures.stuck_count,
        "sla_breaches": figures.sla_breaches,
        "bottleneck": figures.is_bottleneck,
    }
