import dataclasses
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand
from core.errors import DomainError
from operations.doctor import INVARIANTS, examine
from operations.repairs import repair, repair_of

ROWS_SHOWN = 50


class Command(UseCaseCommand):
    help = (
        "Check every invariant of the data: counters against the rows they count, money against enrollments, states "
        "against their history, events without gaps, no links between workspaces. Changes nothing unless --repair is "
        "given. Exits with 1 and prints the rows (ids only) when one is broken. Safe to run at any time, also while "
        "people work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--workspace", metavar="SLUG", help="examine the rows of this workspace only")
        parser.add_argument("--repair", action="store_true", help="repair what a use case can repair, and check again")
        parser.add_argument("--dry-run", action="store_true", help="with --repair, report what it would do")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"] and not options["repair"]:
            raise CommandError("--dry-run goes with --repair: without it, nothing is changed anyway.")
        super().handle(*args, **options)
        if not self.is_healthy:
            raise SystemExit(1)

    def run(self, **options: Any) -> dict[str, Any]:
        workspace_id = self._workspace_id(options["workspace"])
        breaches = examine(workspace_id=workspace_id)
        report: dict[str, Any] = {}
        if options["repair"]:
            rows = [(name, breach.row) for name, found in breaches.items() for breach in found]
            report["repairs"] = [self._repair(*row, dry_run=options["dry_run"]) for row in dict.fromkeys(rows)]
            breaches = breaches if options["dry_run"] else examine(workspace_id=workspace_id)
        self.is_healthy = not breaches
        return {
            "healthy": self.is_healthy,
            "checked": list(INVARIANTS),
            **report,
            "breaches": {name: [dataclasses.asdict(breach) for breach in found] for name, found in breaches.items()},
        }

    def show(self, report: dict[str, Any]) -> None:
        for done in report.get("repairs", ()):
            self.stdout.write(f"{done['outcome']:8}{done['row']} ({done['invariant']}): {done['told']}")
        for name in report["checked"]:
            found = report["breaches"].get(name, [])
            self.stdout.write(f"{'BROKEN' if found else 'ok':8}{name}")
            for breach in found[:ROWS_SHOWN]:
                self.stdout.write(f"        {breach['row']}: {breach['fact']}")
            if len(found) > ROWS_SHOWN:
                self.stdout.write(f"        and {len(found) - ROWS_SHOWN} more; --json prints all")
        if report["breaches"]:
            self.stdout.write(f"{len(report['breaches'])} of {len(report['checked'])} invariants are broken.")
            self.stdout.write("docs/doctor.md says for each rule who is affected and what to do about it.")
        else:
            self.stdout.write(f"All {len(report['checked'])} invariants hold.")

    def _workspace_id(self, slug: str | None) -> int | None:
        if slug is None:
            return None
        workspace_id = Workspace.objects.filter(slug=slug).values_list("pk", flat=True).first()
        if workspace_id is None:
            raise CommandError(f"There is no workspace {slug!r}.")
        return workspace_id

    def _repair(self, invariant: str, row: str, *, dry_run: bool) -> dict[str, str]:
        """Return what happened to one row; a refusal is reported, and the others continue."""
        told = {"invariant": invariant, "row": row}
        found = repair_of(invariant=invariant, row=row)
        if found is None:
            return {**told, "outcome": "left", "told": "takes a person: see docs/doctor.md"}
        if dry_run:
            return {**told, "outcome": "would", "told": found.does}
        try:
            repair(invariant=invariant, row=row, actor=SYSTEM, now=utc_now())
        except DomainError as refusal:
            return {**told, "outcome": "refused", "told": refusal.detail}
        return {**told, "outcome": "done", "told": found.does}
