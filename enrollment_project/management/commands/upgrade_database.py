import re
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DataError, IntegrityError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from core.commands import UseCaseCommand, whole_number
from core.migrating import Target, migrate_under_load

LISTED = re.compile(r"\s*\[[X ]\]\s+(\w+)\.(\w+)")


def target(text: str) -> Target:
    app, separator, name = text.partition("=")
    if not (app and separator and name):
        raise ArgumentTypeError(f"give an app and a migration as app=0001_name or app=zero, not {text!r}")
    return app, name


class Command(UseCaseCommand):
    help = (
        "Apply every migration while the site is in use. When a migration and a request need the "
        "same table, the request is answered with 503 or the migration is tried again. --to migrates "
        "to the given migrations, forward or back; --back-to goes back to those of an older release. "
        "Going back loses data that only this release stores."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--tries", type=whole_number(1, 1000), default=60, help="how often at most (60)")
        parser.add_argument(
            "--to",
            type=target,
            action="append",
            metavar="APP=MIGRATION",
            help="the migration that an app should be at; may be repeated",
        )
        parser.add_argument(
            "--back-to",
            metavar="FILE",
            help=(
                "undo the migrations that are not in this output of the older release's "
                "`showmigrations --plan` (- is standard input)"
            ),
        )
        parser.add_argument("--dry-run", action="store_true", help="list what would be done and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        executor = MigrationExecutor(connection)
        targets: list[Target] = options["to"] or []
        if options["back_to"]:
            targets += _targets_of_release(_read(options["back_to"]), executor.loader)
            if not targets:
                return {"steps": [], "tries": 0}
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
                raise CommandError(f"The database refused: {error}") from error
            except (IntegrityError, DataError) as error:
                raise CommandError(_in_the_way(error)) from error
        return {"steps": steps, "tries": tries}

    def show(self, report: dict[str, Any]) -> None:
        for step in report["steps"]:
            self.say(step)
        done = f"done in {report['tries']:,} tries" if report["tries"] else "nothing was changed"
        self.say(f"{len(report['steps']):,} migrations, {done}.")


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} can't be read: {error}") from error


def _targets_of_release(listing: str, loader: MigrationLoader) -> list[Target]:
    """Return the migration target of each app that makes the database match a release listing these migrations. An app
    that is not listed goes back to its beginning.
    """
    last = {found[1]: found[2] for found in map(LISTED.match, listing.splitlines()) if found}
    if "core" not in last:
        raise CommandError("That is not the output of a release's `manage.py showmigrations --plan`.")
    for app, name in last.items():
        if (app, name) not in loader.graph.nodes:
            raise CommandError(f"This release has no migration {app}.{name}. Run the command with the later release.")
    leaves = dict(loader.graph.leaf_nodes())
    return [(app, last.get(app, "zero")) for app in sorted(leaves) if last.get(app) != leaves[app]]


def _in_the_way(error: Exception) -> str:
    first, *_ = str(error).splitlines()  # the other lines quote rows
    return (
        f"There are rows that the older release does not know: {first}. That migration and earlier "
        "ones are unchanged; later ones are undone. docs/deployment.md lists such rows. Change them, "
        "and run the command again."
    )
