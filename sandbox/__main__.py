"""`python -m sandbox`: migrate the sandbox's own database, then serve until interrupted."""

import os
import sys

import django
from django.core.management import call_command
from django.db import connection
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels


def main() -> None:
    """Serve the sandbox; exits with a message where this looks like production."""
    if reason := _production():
        sys.exit(f"The sandbox pretends to be a payment provider and does not start in production ({reason}).")
    os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"
    django.setup()
    from django.conf import settings  # noqa: PLC0415  (read only after the variable above is set)

    settings.DATABASE.parent.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    # The worker is forked from this process and must not inherit an open SQLite file.
    connection.close()
    Granian(
        "sandbox.wsgi:application",
        address="127.0.0.1",
        port=settings.PORT,
        interface=Interfaces.WSGI,
        workers=1,  # keys in flight are remembered in memory, so there must be one process
        blocking_threads=8,
        workers_kill_timeout=2,
        log_level=LogLevels.error,
    ).serve()


def _production() -> str:
    if os.environ.get("SANDBOX", "1").strip().lower() in {"0", "false", "no", "off"}:
        return f"SANDBOX={os.environ['SANDBOX']}"
    if "prod" in os.environ.get("DJANGO_SETTINGS_MODULE", "").lower():
        return f"DJANGO_SETTINGS_MODULE={os.environ['DJANGO_SETTINGS_MODULE']}"
    return ""


if __name__ == "__main__":
    main()
