from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from core.commands import UseCaseCommand, whole_number
from core.migrating import Target, migrate_under_load


def target(text: str) -> Target:
    app, separator, name = text.partition("=")
    if not (app and separator and name):
        raise ArgumentTypeError(f"give an app and a migration as app=0001_name or app=zero, not {text!r}")
    return app, name


class Command(UseCaseCommand):
    help = (
        "Apply every migration while the site is in use. Where one meets a request at a table, the request is answered "
        "with 503 or the migration is tried again. With --to it goes to the given migrations, which may be back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--tries", type=whole_number(1, 1000), default=60, help="how often at most (60)")
        parser.add_argument(
            "--to", type=target, action="append", metavar="APP=MIGRATION", help="where an app is to be; may be repeated"
        )
        parser.add_argument("--dry-run", action="store_true", help="list what would be done and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        targets: list[Target] = options["to"] or []
        executor = MigrationExecutor(connection)
        for app, name in targets:
            if name != "zero" and (app, name) not in executor.loader.graph.nodes:
                raise CommandError(f"{app} has no migration {name}. `manage.py showmigrations {app}` lists them.")
        goals = [(app, None if name == "zero" else name) for app, name in targets]
        plan = executor.migration_plan(goals or executor.loader.graph.leaf_nodes())
        steps = [f"{'undo ' if is_back else ''}{step.app_label}.{step.name}" for step, is_back in plan]
        tries = 0
        if not options["dry_run"]:
            try:
                tries = migrate_under_load(tries=options["tries"], targets=targets)
            except OperationalError as error:
                raise CommandError(f"The database did not let it: {error}") from error
        return {"steps": steps, "tries": tries}

    def show(self, report: dict[str, Any]) -> None:
        for step in report["steps"]:
            self.say(step)
        done = f"done in {report['tries']:,} tries" if report["tries"] else "nothing was changed"
        self.say(f"{len(report['steps']):,} migrations, {done}.")
