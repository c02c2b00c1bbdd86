"""Serve the site until told to stop, then stop without cutting anybody off: `python -m enrollment_project.serving`.

granian finishes the requests it has begun, but connections still waiting to be accepted when it closes its listener are
reset, and a proxy keeps sending requests until it learns of the shutdown. So SIGTERM arrives here first: for
DRAIN_SECONDS, `/readyz` answers 503 and every connection is closed after its answer, while all requests are still
answered. Only then is granian told to stop. It is configured by the GRANIAN_ variables and the given arguments.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from django.conf import settings

GRANIAN = Path(sys.executable).parent / "granian"
APPLICATION = "enrollment_project.wsgi:application"


def serve(arguments: list[str]) -> int:
    """Run granian with these arguments until it ends or SIGTERM arrives; return its exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "enrollment_project.settings.prod")
    told_or_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_or_over.set())
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        draining = Path(folder) / "draining"
        environment = os.environ | {"DRAINING_FILE": str(draining)}
        server = subprocess.Popen([str(GRANIAN), *arguments, APPLICATION], env=environment)  # noqa: S603  (operator's own)

        def watch() -> None:
            server.wait()
            told_or_over.set()

        threading.Thread(target=watch, daemon=True).start()
        told_or_over.wait()
        if server.poll() is None:
            draining.touch()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(settings.DRAIN_SECONDS)
            server.terminate()
        return server.wait()


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
