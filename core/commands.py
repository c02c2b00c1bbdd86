"""What the management commands share: they call a use case, report to people or programs, and set exit codes."""

import errno
import json
import os
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from .errors import DomainError, Unavailable
from .numbers import parse_whole_number, whole_number_wanted

_FULL = (errno.ENOSPC, errno.EDQUOT)  # told of a file that is being written, without its name
_DECIMAL = re.compile(r"[0-9]{1,15}([.][0-9]{1,15})?")  # float() accepts 1_000, 1e3, and the digits of all scripts


def number(low: float, high: float) -> Callable[[str], float]:
    """Return an argument type: a number between the two, with or without a fraction."""

    def parse(text: str) -> float:
        value = float(text) if _DECIMAL.fullmatch(text) else float("nan")
        if not low <= value <= high:
            raise ArgumentTypeError(f"give a number between {low:g} and {high:g}, not {text!r}")
        return value

    return parse


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return an argument type: a whole number between the two."""

    def parse(text: str) -> int:
        value = parse_whole_number(text, lowest=low, highest=high)
        if value is None:
            raise ArgumentTypeError(f"{text!r} is not accepted. {whole_number_wanted(lowest=low, highest=high)}")
        return value

    return parse


def existing_file(text: str) -> Path:
    """Parse an argument as a file that can be read."""
    if not (os.path.isfile(text) and os.access(text, os.R_OK)):
        raise ArgumentTypeError(f"there is no file {text!r} that can be read")
    return Path(text)


def is_in_a_folder(text: str) -> bool:
    """Return whether a file of this name could be in a folder that exists."""
    return os.path.isdir(os.path.dirname(text) or ".")


def refused(refusal: DomainError) -> CommandError:
    """Return a refusal as a command reports it. The operator can correct the address where we looked for a service."""
    name = refusal.address_setting if isinstance(refusal, Unavailable) else ""
    if not name:
        return CommandError(refusal.detail)
    return CommandError(f"{refusal.detail} We looked for it at {_without_secrets(getattr(settings, name))} ({name}).")


def _without_secrets(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class UseCaseCommand(BaseCommand):
    """A command whose `run` calls a use case and returns what to report.

    Exit codes: 0 done, 1 refused with the reason on stderr (a DomainError, or a file that the system does not let us
    read or write), 2 wrong usage. docs/runbook.md names every
    command and when to use it.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = self.run(**options)
        except DomainError as refusal:
            raise refused(refusal) from refusal
        except OSError as error:
            if error.filename is None and error.errno not in _FULL:
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise CommandError(f"{where}{error.strerror}. Name another file or folder.") from error
        if options["json"]:
            self.stdout.write(json.dumps(report))
        else:
            self.show(report)

    def run(self, **options: Any) -> dict[str, Any]:
        """Call the use case; --json prints the result unchanged."""
        raise NotImplementedError

    def show(self, report: dict[str, Any]) -> None:
        """Print the report for a person."""
        width = max(len(name) for name in report)
        for name, value in report.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            self.say(f"[dim]{name.replace('_', ' '):<{width}}[/]  {escape(text)}")

    @contextmanager
    def progress(self, *, hide: bool) -> Iterator[Callable[[int, int | None], None]]:
        """Show a progress bar on the terminal, if there is one, beside what the command prints. The bar receives how
        much of the total is done; the total is None while it is unknown. Programs (--json) get no bar."""
        with Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
            disable=hide or not sys.stderr.isatty(),
        ) as bar:
            shown = bar.add_task("", total=None)
            yield lambda done, total: bar.update(shown, completed=done, total=total)

    def say(self, markup: str) -> None:
        """Print a line; its rich markup applies on a terminal only."""
        Console(file=cast(TextIO, self.stdout), highlight=False, soft_wrap=True).print(markup)
