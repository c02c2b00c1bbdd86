import dataclasses
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Workspace
from enrollment_project.doctor import INVARIANTS, examine

ROWS_SHOWN = 50


class Command(BaseCommand):
    help = (
        "Check every invariant of the data: counters against the rows they count, money against enrollments, states "
        "against their history, events without gaps, no links between workspaces. Changes nothing. Exits with 1 and "
        "prints the rows "
        "(ids only) when one is broken. Safe to run at any time, also while people work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print all breaches as one JSON document.")
        parser.add_argument("--workspace", metavar="SLUG", help="Examine the rows of this workspace only.")

    def handle(self, *args: Any, **options: Any) -> None:
        breaches = examine(workspace_id=self._workspace_id(options["workspace"]))
        if options["json"]:
            report = {name: [dataclasses.asdict(breach) for breach in found] for name, found in breaches.items()}
            self.stdout.write(json.dumps({"healthy": not report, "checked": list(INVARIANTS), "breaches": report}))
        else:
            self._print(breaches)
        if breaches:
            raise SystemExit(1)

    def _workspace_id(self, slug: str | None) -> int | None:
        if slug is None:
            return None
        workspace_id = Workspace.objects.filter(slug=slug).values_list("pk", flat=True).first()
        if workspace_id is None:
            raise CommandError(f"There is no workspace {slug!r}.")
        return workspace_id

    def _print(self, breaches: dict[str, list[Any]]) -> None:
        for name in INVARIANTS:
            found = breaches.get(name, [])
            self.stdout.write(f"{'BROKEN' if found else 'ok':8}{name}")
            for breach in found[:ROWS_SHOWN]:
                self.stdout.write(f"        {breach.row}: {breach.fact}")
            if len(found) > ROWS_SHOWN:
                self.stdout.write(f"        and {len(found) - ROWS_SHOWN} more; --json prints all")
        if breaches:
            self.stdout.write(f"{len(breaches)} of {len(INVARIANTS)} invariants are broken.")
            self.stdout.write("docs/doctor.md says for each who is wronged, and what to do about it.")
        else:
            self.stdout.write(f"All {len(INVARIANTS)} invariants hold.")
