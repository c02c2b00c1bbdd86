"""The lock files contain what `requirements*.txt` ask for: each pin, with hashes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,-]+\])?==([^\s;\\]+)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Return the version of each package, by its normalized name."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PIN.findall(text)}


class TestTheLockFile:
    @pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
    def test_has_every_package_that_is_asked_for_in_that_version(self, name: str) -> None:
        asked = pins((ROOT / f"{name}.txt").read_text())
        locked = pins((ROOT / f"{name}.lock").read_text())

        assert len(asked) > 10
        assert {package: locked.get(package) for package in asked} == asked, "run `make lock`"

    @pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
    def test_has_hashes_for_every_package(self, name: str) -> None:
        text = (ROOT / f"{name}.lock").read_text()

        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]

        assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []

    def test_of_development_has_what_runs_in_the_same_versions(self) -> None:
        runtime = pins((ROOT / "requirements.lock").read_text())
        development = pins((ROOT / "requirements-dev.lock").read_text())

        assert {package: development.get(package) for package in runtime} == runtime

    def test_that_lags_behind_is_found(self) -> None:
        assert pins("psycopg[binary,pool]==3.3.9\nregex==1 \\\n") == {"psycopg": "3.3.9", "regex": "1"}
