"""The last release, or another earlier commit, as a tree of its own beside this one."""

import io
import os
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

from .running import ROOT

RECORD = ROOT / "deploy" / "last-release.toml"


class NoHistory(Exception):
    """The commit of the last release is not in this clone."""


def last_release() -> dict[str, Any]:
    """Return its `version`, its `commit`, and its known faults; the commit alone if UPGRADE_FROM names another one, in
    which no fault is known.
    """
    if commit := os.environ.get("UPGRADE_FROM"):
        return {"commit": commit}
    record: dict[str, Any] = tomllib.loads(RECORD.read_text())
    return record


def unpack(folder: Path, *, commit: str, repository: Path = ROOT) -> Path:
    """Unpack the tree of a commit there. Raise NoHistory, which says how to get it."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=repository, capture_output=True, check=False
    )
    if archive.returncode:
        raise NoHistory(
            f"The last release, {commit[:10]} ({RECORD.name}), is not in this clone: it is shallow, or no clone at "
            "all. `git fetch --unshallow` brings it."
        )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder
