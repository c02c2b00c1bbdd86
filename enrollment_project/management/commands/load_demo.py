import logging
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Workspace
from demo.catalog import GUARDIAN_EMAIL, PASSWORD
from demo.load import load_demo
from demo.sandbox import is_sandbox_there, tell_sandbox


class Command(BaseCommand):
    help = "Fill an empty database with two made-up organizations and half a year of what happened in them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--if-empty", action="store_true", help="Do nothing if there is a workspace already.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SANDBOX:
            raise CommandError("Demo data has sign-ins that everybody knows: it needs SANDBOX=1.")
        if Workspace.objects.exists():
            if options["if_empty"]:
                return
            raise CommandError("There is data already. Demo data goes into an empty database only.")
        if not is_sandbox_there():
            raise CommandError(
                f"The sandbox must know what was paid, and does not answer at {settings.SANDBOX_URL} (SANDBOX_URL); "
                "start it first: python -m sandbox"
            )
        started = time.monotonic()
        logging.disable(logging.INFO)  # half a year of log lines
        try:
            counts = load_demo()
            tell_sandbox()
        finally:
            logging.disable(logging.NOTSET)
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        self.stdout.write(f"Loaded {told} in {time.monotonic() - started:.0f} s.")
        self.stdout.write(f"Staff: owner@demo.test, admin@, reviewer@, viewer@, operator@ with password {PASSWORD}")
        self.stdout.write(f"A guardian signs in by code: {GUARDIAN_EMAIL}")
