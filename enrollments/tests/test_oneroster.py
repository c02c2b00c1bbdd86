"""A OneRoster archive: who becomes a learner or a guardian, and what is refused with nothing changed."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Guardian, Learner
from accounts.tests.factories import WorkspaceFactory

pytestmark = pytest.mark.django_db

MANIFEST = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nfile.users,bulk\nfile.roles,bulk\n"
USERS = (
    "\ufeffemail,sourcedId,status,givenName,familyName,agentSourcedIds,grades,x-local\n\n"
    "ann@example.org,s1,active,Ann,Lee,g1,07,1\n"
    "gone@example.org,s2,tobedeleted,Gone,Lee,,07,\n"
    "pat@example.org,g1,active,Pat,Lee,,,\n"
)
ROLES = "sourcedId,userSourcedId,roleType,role\nr1,s1,primary,student\nr2,g1,primary,parent\nr3,s2,primary,student\n"
ROSTER = {"manifest.csv": MANIFEST, "users.csv": USERS, "roles.csv": ROLES}


def bring(tmp_path: Path, files: dict[str, str] | bytes, *arguments: str) -> dict[str, Any]:
    path = tmp_path / "roster.zip"
    if isinstance(files, bytes):
        path.write_bytes(files)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, text in files.items():
                packed.writestr(name, text)
    out = io.StringIO()
    call_command("import_oneroster", str(path), "--workspace", "north", "--json", *arguments, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture(autouse=True)
def north() -> None:
    WorkspaceFactory(slug="north")


def test_students_and_their_parents_come_once(tmp_path: Path) -> None:
    first = bring(tmp_path, ROSTER)
    again = bring(tmp_path, ROSTER)

    learner = Learner.objects.get()
    assert (learner.external_id, learner.email, learner.grade_level) == ("s1", "ann@example.org", "07")
    assert learner.guardians.get().external_id == "g1"
    assert first == {"dry_run": False, "guardians_new": 1, "learners_new": 1, "to_be_deleted": 1, "errors": []}
    assert again == {
        "dry_run": False,
        "guardians_unchanged": 1,
        "learners_unchanged": 1,
        "to_be_deleted": 1,
        "errors": [],
    }


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    assert bring(tmp_path, ROSTER, "--dry-run")["learners_new"] == 1
    assert not Learner.objects.exists()
    assert not Guardian.objects.exists()


def test_an_unknown_agent_is_named_by_line(tmp_path: Path) -> None:
    done = bring(tmp_path, ROSTER | {"users.csv": USERS.replace("Lee,g1", "Lee,g9")})
    assert done["errors"][0].startswith("users.csv line 3, agentSourcedIds: No parent")
    assert not Learner.objects.exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"users.csv": USERS, "roles.csv": ROLES}, "manifest.csv: The archive has no such file"),
        (ROSTER | {"manifest.csv": MANIFEST.replace("1.2", "1.1")}, "oneroster.version has to be 1.2"),
        ({"manifest.csv": MANIFEST, "roles.csv": ROLES}, "users.csv: The manifest promises this file"),
        (ROSTER | {"users.csv": USERS + "a@example.org,s1,active,A,B,,,\n"}, "An earlier line has this sourcedId"),
        (ROSTER | {"orgs.csv": "a" * 5_000_000}, "unpack to far more"),
        (b"no archive", "This is no ZIP archive"),
    ],
)
def test_a_broken_archive_is_refused(tmp_path: Path, files: Any, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        bring(tmp_path, files)
    assert not Learner.objects.exists()
    assert not Guardian.objects.exists()
