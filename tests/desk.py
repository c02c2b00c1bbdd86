"""A process in which tests call the stack's functions; it starts once, as starting Django takes two seconds."""

import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

import django
from django.core.cache import cache
from django.db import connections

from billing.gateways import stripe as stripe_gateway

ROOT = Path(__file__).resolve().parent.parent


class Desk:
    """A process in the given environment that calls functions by name, one after the other."""

    def __init__(self, *, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.desk"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C is for the test, which then closes this
            )

    def ask(self, function: str) -> None:
        """Ask for a call of `module:function`; `answer` waits for its result."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{function}\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Return the result of the oldest requested function, by way of JSON. Raise RuntimeError with its failure."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The desk ended:\n{self._log.read_text()}")
        said = json.loads(line)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said["result"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _serve(questions: TextIO, answers: TextIO) -> None:
    for line in questions:
        module, name = line.strip().split(":")
        try:
            said = json.dumps({"result": getattr(importlib.import_module(module), name)()})
        except Exception:
            said = json.dumps({"error": traceback.format_exc()})
        _forget()
        print(said, file=answers, flush=True)


def _forget() -> None:
    """Start each call like a new process: no connection, nothing cached, no opinion about Stripe."""
    connections.close_all()
    cache.clear()
    stripe_gateway._connect.cache_clear()


def _main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what functions print is not an answer
    django.setup()
    _serve(sys.stdin, answers)


if __name__ == "__main__":
    _main()
