"""The dependency audit fails when it should, and says so if it has compared nothing."""

from typing import Any

from tests.audit import UNREACHABLE, judge


def package(name: str, *weaknesses: str) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [{"id": each, "fix_versions": ["1.1"]} for each in weaknesses]}


SKIPPED = {"name": "private", "skip_reason": "not found"}


def test_packages_without_a_known_weakness_pass() -> None:
    verdict = judge([package("django"), package("celery")])

    assert verdict.exit_code == 0
    assert verdict.lines == ("2 packages compared, 0 known weaknesses, 0 not compared.",)


def test_a_known_weakness_fails_with_the_release_that_ends_it() -> None:
    verdict = judge([package("django", "CVE-2026-1"), package("celery")])

    assert verdict.exit_code == 1
    assert verdict.lines[0] == "django 1.0: CVE-2026-1, fixed in 1.1"


def test_a_package_that_nobody_knows_fails() -> None:
    assert judge([package("django"), SKIPPED]).exit_code == 1


def test_nothing_compared_is_no_success() -> None:
    assert judge([SKIPPED, SKIPPED]).exit_code == UNREACHABLE
