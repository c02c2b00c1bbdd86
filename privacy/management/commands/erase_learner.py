from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand
from privacy.erasing import erase_learner, foresee_erasure
from privacy.states import ErasureReason


class Command(UseCaseCommand):
    help = (
        "Erase a learner permanently: names, addresses, answers, files, mails, and everything else "
        "that is known about them, in all tables at once. Ids, amounts, dates, and numbers stay, and "
        "invoices stay for some years. It refuses while money is on its way or an enrollment is in "
        "progress, and says what to do first. Erasing again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--workspace", metavar="SLUG", required=True)
        parser.add_argument("--learner", metavar="CUID", required=True)
        parser.add_argument("--reason", choices=ErasureReason.values, required=True)
        parser.add_argument("--dry-run", action="store_true", help="count what would be erased and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        workspace_id = Workspace.objects.filter(slug=options["workspace"]).values_list("pk", flat=True).first()
        if workspace_id is None:
            raise CommandError(f"There is no workspace {options['workspace']!r}.")
        cuid = options["learner"]
        if options["dry_run"]:
            forecast = foresee_erasure(workspace_id=workspace_id, learner_cuid=cuid, now=utc_now())
            return {"dry_run": True, "learner": cuid, "rows": forecast.rows, "obstacles": list(forecast.obstacles)}
        reason = ErasureReason(options["reason"])
        erasure = erase_learner(
            workspace_id=workspace_id, learner_cuid=cuid, reason=reason, actor=SYSTEM, now=utc_now()
        )
        return {"dry_run": False, "learner": cuid, "rows": erasure.rows, "erasure": erasure.pk}
