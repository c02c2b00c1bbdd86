import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand, is_in_a_folder
from privacy.erasure_list import list_erasures, write_erasures


def file_in_folder(text: str) -> Path:
    """Return an argument type: a file, new or to be replaced, in an existing folder."""
    if os.path.isdir(text) or not is_in_a_folder(text):
        raise ArgumentTypeError(f"{text!r} is a folder, or its folder is not there: name a file in a folder")
    return Path(text)


class Command(UseCaseCommand):
    help = (
        "Write the list of erased learners (ids, times, and reason codes) to a file, for `restore "
        "--erasures`. Schedule it, keep the newest file beside the backups, and write it before a "
        "database is replaced. An existing file is replaced."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", type=file_in_folder)
        parser.add_argument("--dry-run", action="store_true", help="count them and write nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        path: Path = options["file"]
        erasures = list_erasures(now=utc_now())
        if not options["dry_run"]:
            write_erasures(path, erasures)
        return {
            "dry_run": options["dry_run"],
            "file": str(path),
            "erasures": len(erasures.erasures),
            "made_at": erasures.made_at.isoformat(),
        }
