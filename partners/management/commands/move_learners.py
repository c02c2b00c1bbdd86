from typing import Any

from django.core.management.base import CommandParser

from accounts.models import Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from core.errors import NotFound
from enrollments.programs import get_program
from partners.moving import list_learners_to_move, move_next_learners
from partners.queries import get_active_sequence


class Command(UseCaseCommand):
    help = (
        "Move the active learners of a program to the newest version of its partner sequence, in "
        "batches. Courses they have completed or begun carry over. It can be stopped and started "
        "again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--workspace", metavar="SLUG", required=True, help="whose program")
        parser.add_argument("--program", metavar="CODE", required=True, help="whose learners")
        parser.add_argument("--reason", required=True, help="what the history says about it")
        parser.add_argument(
            "--batch", type=whole_number(1, 10_000), default=200, help="how many are read at once (200)"
        )
        parser.add_argument("--dry-run", action="store_true", help="count the affected learners and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise NotFound(f"There is no workspace {options['workspace']}.")
        program = get_program(workspace_id=workspace.pk, code=options["program"])
        sequence = get_active_sequence(program_id=program.pk)
        if sequence is None:
            raise NotFound(f"The program {program.code} has no partners.")
        moved = 0
        batch = 0 if options["dry_run"] else 1
        while batch:
            batch = move_next_learners(
                program_id=program.pk,
                version=sequence.version,
                reason=options["reason"],
                limit=options["batch"],
                actor=SYSTEM,
                now=utc_now(),
            )
            moved += batch
        behind = list_learners_to_move(sequence).count()
        return {"version": sequence.version, "learners_moved": moved, "learners_behind": behind}

    def show(self, report: dict[str, Any]) -> None:
        self.say(
            f"Moved {report['learners_moved']:,} learners to version {report['version']}; "
            f"{report['learners_behind']:,} go by an older one."
        )
