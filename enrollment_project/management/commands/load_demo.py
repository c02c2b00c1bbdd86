import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from demo.catalog import GUARDIAN_EMAIL, PASSWORD, Organization
from demo.load import count_rows, list_missing, load_organization
from demo.progress import AlreadyLoading, announced
from demo.sandbox import is_sandbox_there, tell_sandbox

STEP = 10  # percent between two progress lines
PAUSE_SECONDS = 0.3  # SQLite allows one writer at a time; the pause lets waiting writers take their turn


class Command(BaseCommand):
    help = "Fill an empty database with two made-up organizations and half a year of their activity."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--if-empty", action="store_true", help="Do nothing if there is already a workspace.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SANDBOX:
            raise CommandError("Demo data has sign-ins that everybody knows: it needs SANDBOX=1.")
        missing = list_missing()
        if not missing:
            if options["if_empty"]:
                return
            raise CommandError("The database is not empty. Demo data can only be loaded into an empty database.")
        if not is_sandbox_there():
            raise CommandError(
                f"The sandbox has to know what was paid, but it does not answer at {settings.SANDBOX_URL} "
                "(SANDBOX_URL); "
                "start it first: python -m sandbox"
            )
        logging.disable(logging.INFO)  # half a year of log lines
        try:
            with announced() as announce:
                self._load(missing, announce)
        except AlreadyLoading:
            raise CommandError("Another process is already loading the demo data; wait for it.") from None
        finally:
            logging.disable(logging.NOTSET)
        self.stdout.write(
            f"Staff: owner@demo.test, admin@, finance@, reviewer@, viewer@, operator@ with password {PASSWORD}"
        )
        self.stdout.write(f"A guardian signs in by code: {GUARDIAN_EMAIL}")

    def _load(self, missing: list[Organization], announce: Callable[[int], None]) -> None:
        """Load each organization in one transaction: if this is interrupted, the next call loads what is missing."""
        started = time.monotonic()
        told = 0

        def tell(share: float, position: int) -> None:
            nonlocal told
            percent = int(100 * (position + share) / len(missing))
            if percent > told:
                announce(percent)
            if percent // STEP > told // STEP:
                self.stdout.write(f"Loading the demo data: {percent} %")
                self.stdout.flush()
            told = max(told, percent)

        for position, organization in enumerate(missing):
            with transaction.atomic():
                workspace = load_organization(organization, progress=partial(tell, position=position))
                # Before the commit: a sweep would end any checkout that the sandbox does not know.
                tell_sandbox(workspace)
            time.sleep(PAUSE_SECONDS)
        counts = ", ".join(f"{count:,} {name}" for name, count in count_rows().items())
        self.stdout.write(f"Loaded {counts} in {time.monotonic() - started:.0f} s.")
