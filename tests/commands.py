"""Run management commands as an operator does."""

import io
import json
from typing import Any

from django.core.management import call_command


def run(*arguments: str) -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def run_json(*arguments: str) -> Any:
    """Return what the command reports to a machine."""
    return json.loads(run(*arguments, "--json"))
