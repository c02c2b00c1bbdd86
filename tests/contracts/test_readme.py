"""The README's tour, run as printed against the running stack."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]


def tour() -> str:
    """The shell commands of the tour, in their order."""
    section = (ROOT / "README.md").read_text().partition("## Three-minute tour")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL))


def follow(stack: RunningStack) -> list[str]:
    commands = tour().replace("http://127.0.0.1:8000", stack.url).replace(".venv/bin/python", sys.executable)
    finished = subprocess.run(
        ["bash", "-euc", commands], cwd=ROOT, env=os.environ | stack.environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


@pytest.mark.slow
class TestTheTour:
    def test_ends_with_the_parent_s_decision_completed(self) -> None:
        with RunningStack() as stack:
            printed = follow(stack)

        answers = [line for line in printed if '"decision_id"' in line]
        assert ['"provision_source":"district"' in line for line in answers] == [True, True, False, False]
        assert '"status":"checkout_required"' in answers[2]
        assert '"status":"completed"' in answers[3]
        assert '"reason":"seats_exhausted"' in answers[3]
