import os
import shutil
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandParser

from accounts.models import Guardian
from core.actors import SYSTEM
from core.clock import utc_now
from core.commands import UseCaseCommand, is_in_a_folder, whole_number
from core.errors import NotFound
from core.numbers import MAX_INT
from enrollment_project.learner_data.export import export_learner, get_learner, list_parts


def new_file(text: str) -> Path:
    """Check an argument that must name a file that does not exist yet."""
    if os.path.lexists(text) or not is_in_a_folder(text):
        raise ArgumentTypeError(
            f"{text!r} already exists, or its folder does not: name a new file in an existing folder"
        )
    return Path(text)


@contextmanager
def open_new(path: Path) -> Iterator[BinaryIO]:
    """Create a file that only its owner reads; it is gone again if it can't be filled."""
    with path.open("xb") as out:
        try:
            path.chmod(0o600)
            yield out
        except BaseException:
            path.unlink()
            raise


class Command(UseCaseCommand):
    help = (
        "Write everything that is stored about a learner into a zip: a page to read, JSON, files, "
        "certificates, and invoices. Exits with 1 for an unknown learner, or a guardian who is not "
        "theirs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "learner", metavar="CUID", help="the learner's id, as shown on their page in the back office"
        )
        parser.add_argument("--out", type=new_file, metavar="FILE", help="where the zip goes (learner-CUID.zip)")
        parser.add_argument(
            "--guardian",
            type=whole_number(1, MAX_INT),
            metavar="ID",
            help="the guardian who gets it: includes the invoices issued to them; without it, no invoices",
        )
        parser.add_argument("--dry-run", action="store_true", help="count what would be in it and write nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        learner = get_learner(cuid=options["learner"])
        reader = ""
        if options["guardian"] is not None:
            guardian = Guardian.objects.filter(pk=options["guardian"], learners=learner).first()
            if guardian is None:
                raise NotFound("This learner has no such guardian.")
            reader = guardian.email or ""
        counts = {part.kind.name: part.count for part in list_parts(learner)}
        report = {"learner": learner.cuid, "dry_run": options["dry_run"], "rows": sum(counts.values()), "kinds": counts}
        if options["dry_run"]:
            return report | {"file": None}
        path: Path = options["out"] or Path(f"learner-{learner.cuid}.zip")
        with (
            open_new(path) as out,
            export_learner(learner=learner, reader=reader, actor=SYSTEM, now=utc_now()) as made,
        ):
            shutil.copyfileobj(made, out)
        return report | {"file": str(path)}
