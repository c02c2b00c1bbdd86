"""Running management commands as an operator does."""

import io
import json
from typing import Any

from django.core.management import call_command


def run(*arguments: str) -> str:
    """What the command prints."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def run_json(*arguments: str) -> Any:
    """What the command reports to a machine."""
    return json.loads(run(*arguments, "--json"))
