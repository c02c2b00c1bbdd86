"""`python -m sandbox`: migrate the sandbox's own database, then serve until interrupted."""

import os
import socket
import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels


def main() -> None:
    """Serve the sandbox; exit with a message if this looks like production."""
    if reason := _production():
        sys.exit(f"The sandbox pretends to be a payment provider and does not start in production ({reason}).")
    os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"
    django.setup()
    if _is_taken(settings.PORT):
        sys.exit(f"Port {settings.PORT} is taken; set SANDBOX_PORT to a free one.")
    settings.DATABASE.parent.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    # The worker is forked from this process, and must not inherit an open SQLite file.
    connection.close()
    Granian(
        "sandbox.wsgi:application",
        address="127.0.0.1",
        port=settings.PORT,
        interface=Interfaces.WSGI,
        workers=1,  # keys in flight are kept in memory, so there must be one process
        blocking_threads=16,  # some of them may be asleep because of a latency fault
        workers_kill_timeout=2,
        log_level=LogLevels.error,
    ).serve()


def _production() -> str:
    if os.environ.get("SANDBOX", "1").strip().lower() in {"0", "false", "no", "off"}:
        return f"SANDBOX={os.environ['SANDBOX']}"
    if "prod" in os.environ.get("DJANGO_SETTINGS_MODULE", "").lower():
        return f"DJANGO_SETTINGS_MODULE={os.environ['DJANGO_SETTINGS_MODULE']}"
    return ""


def _is_taken(port: int) -> bool:
    # The server itself would share the port with another sandbox and get every other connection.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    main()
