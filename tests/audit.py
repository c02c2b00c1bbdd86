"""`python -m tests.audit`: compare every package of the lock file with the public security advisories.

pip-audit succeeds even if the advisory service answers for no package at all. Here that is a failure: the exit code is
1 for a known weakness or a package that could not be compared, and 3 if nothing could be compared. In the last case
`--where-reachable` exits with 0, for machines without a network, and says so.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = [
    str(Path(sys.executable).with_name("pip-audit")),
    *("--require-hashes", "--disable-pip", "--requirement", "requirements-dev.lock"),
    *("--format", "json", "--progress-spinner", "off"),
]
UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """The exit code, and the message."""

    exit_code: int
    lines: tuple[str, ...]


def judge(packages: list[dict[str, Any]]) -> Verdict:
    """Judge pip-audit's report about these packages."""
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    compared = [package for package in packages if "skip_reason" not in package]
    if not compared:
        return Verdict(UNREACHABLE, (f"Nothing was compared: no advisories could be had for {len(skipped)} packages.",))
    weak = [
        f"{package['name']} {package['version']}: {weakness['id']}, fixed in {_fixed_in(weakness)}"
        for package in compared
        for weakness in package["vulns"]
    ]
    unknown = [f"{name}: not compared, no advisories could be had" for name in skipped]
    summary = f"{len(compared)} packages compared, {len(weak)} known weaknesses, {len(skipped)} not compared."
    return Verdict(1 if weak or skipped else 0, (*weak, *unknown, summary))


def _fixed_in(weakness: dict[str, Any]) -> str:
    return ", ".join(weakness["fix_versions"]) or "no release yet"


def run() -> int:
    """Audit the lock file; return the exit code."""
    told = subprocess.run(PIP_AUDIT, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        verdict = judge(json.loads(told.stdout)["dependencies"])
    except ValueError:  # it failed: the service's address is unknown, or its answer is invalid
        verdict = Verdict(UNREACHABLE, ("Nothing was compared: pip-audit broke off.", *told.stderr.splitlines()[-3:]))
    for line in verdict.lines:
        print(line)
    return 0 if verdict.exit_code == UNREACHABLE and "--where-reachable" in sys.argv else verdict.exit_code


if __name__ == "__main__":
    sys.exit(run())
