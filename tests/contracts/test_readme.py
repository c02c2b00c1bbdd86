"""The README's tour, run as printed against the running stack."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from enrollment_project.management.commands.run import OWNER_EMAIL
from tests.stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]


def tour() -> str:
    """Return the shell commands of the tour, in order."""
    section = (ROOT / "README.md").read_text().partition("## Three-minute tour")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL))


def follow(stack: RunningStack) -> list[str]:
    commands = tour().replace("http://127.0.0.1:8000", stack.url).replace(".venv/bin/python", sys.executable)
    finished = subprocess.run(
        ["bash", "-euc", commands], cwd=ROOT, env=os.environ | stack.environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def join(link: str, form: dict[str, str]) -> httpx.Client:
    """Accept a staff invitation in a browser of its own, which signs it in."""
    browser = httpx.Client(follow_redirects=True)
    browser.get(link)
    joined = browser.post(link, data=form | {"csrfmiddlewaretoken": browser.cookies["csrftoken"]})
    assert "/admin/" in str(joined.url), joined.text
    return browser


@pytest.mark.slow
@pytest.mark.walk
class TestTheTour:
    def test_ends_with_the_parent_s_decision_completed_and_shown_to_the_first_sign_in(self) -> None:
        password = "a-pass-phrase-of-the-demo"
        with RunningStack() as stack:
            demo = json.loads(stack.manage("create_workspace", "demo", "--owner", OWNER_EMAIL, "--json"))
            join(demo["owner_invitation"], {"new_password1": password, "new_password2": password})

            printed = follow(stack)
            answers = [json.loads(line) for line in printed if '"decision_id"' in line]
            (link,) = re.findall(r"owner invitation +(\S+)", "\n".join(printed))
            decision = f"{stack.url}/admin/enrollments/enrollmentdecision/{answers[3]['decision_id']}/change/"
            (robotics,) = [json.loads(line)["data"] for line in printed if line.startswith('{"data"')]
            browser = join(link, {"password": password})
            shown = browser.get(decision)

        assert {one["firstName"]: (one["eligibility"]["status"], one["eligibility"]["reason"]) for one in robotics} == {
            "Ada": ("eligible", "Meets all criteria"),
            "Ben": ("ineligible", "Too young for robotics"),
            "Cleo": ("candidate", "Age could not be evaluated: metadata.age is missing"),
        }
        assert [answer["provision_source"] for answer in answers] == ["district", "district", "parent", "parent"]
        assert answers[2]["status"] == "checkout_required"
        assert (answers[3]["status"], answers[3]["reason"]) == ("completed", "seats_exhausted")
        assert str(shown.url) == decision
        assert "Cleo Doe" in shown.text
