"""A OneRoster archive: who becomes a learner or a guardian, and what is refused without any change."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.merging import merge_learners
from accounts.models import Guardian, Guardianship, Learner
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.imports.oneroster import people

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


def counted(report: dict[str, Any]) -> dict[str, int]:
    about = ("import", "status", "dry_run", "rows", "notice", "errors")
    return {name: count for name, count in report.items() if name not in about and count}


@pytest.fixture(autouse=True)
def north() -> None:
    WorkspaceFactory(slug="north")


def test_students_and_their_parents_come_once(tmp_path: Path) -> None:
    first = bring(tmp_path, ROSTER)
    again = bring(tmp_path, ROSTER)

    learner = Learner.objects.get()
    assert (learner.external_id, learner.email, learner.grade_level) == ("s1", "ann@example.org", "07")
    assert learner.guardians.get().external_id == "g1"
    assert counted(first) == {"guardians_new": 1, "learners_new": 1, "to_be_deleted": 1}
    assert counted(again) == {"guardians_unchanged": 1, "learners_unchanged": 1, "to_be_deleted": 1}
    assert (first["status"], first["errors"]) == ("completed", [])


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
        (ROSTER | {"orgs.csv": "a" * 5_000_000}, "unpack to far more"),
        (b"no archive", "This is no ZIP archive"),
    ],
)
def test_a_broken_archive_is_refused(tmp_path: Path, files: Any, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        bring(tmp_path, files)
    assert not Learner.objects.exists()
    assert not Guardian.objects.exists()


def test_a_row_that_can_not_be_kept_is_told_by_its_column_and_spoils_no_other(tmp_path: Path) -> None:
    users = (
        USERS
        + f"bob@example.org,s3,active,{'B' * 200},Lee,,07,\n"
        + "no address,s4,active,Eve,Lee,,07,\n"
        + "cy@example.org,s5,active,,Doe,,07,\n"
    )
    roles = ROLES + "".join(f"r{n},s{n},primary,student\n" for n in (3, 4, 5))

    done = bring(tmp_path, {**ROSTER, "users.csv": users, "roles.csv": roles})

    assert (done["learners_new"], done["failed"]) == (1, 3)
    assert done["errors"] == [
        "users.csv line 6, givenName: Shorten it to 150 characters.",
        "users.csv line 7, email: Give an email address, such as name@example.org.",
        "users.csv line 8, givenName: A student needs givenName. Fill it in.",
    ]
    assert Learner.objects.get().external_id == "s1"


def test_the_spelling_of_an_address_is_no_change(tmp_path: Path) -> None:
    spelled = USERS.replace("ann@example.org", "Ann@Example.ORG")
    bring(tmp_path, {**ROSTER, "users.csv": spelled})

    again = bring(tmp_path, {**ROSTER, "users.csv": spelled})

    assert (again["learners_unchanged"], again["guardians_unchanged"]) == (1, 1)


def test_a_merged_learner_stays_as_staff_have_merged_them(tmp_path: Path) -> None:
    bring(tmp_path, ROSTER)
    gone = Learner.objects.get()
    kept = LearnerFactory(
        workspace=gone.workspace, external_id="own", first_name="Anne", last_name="Lee", email="anne@example.org"
    )
    merge_learners(keep_id=kept.pk, drop_id=gone.pk, actor=SYSTEM, reason="One child", now=utc_now())

    done = bring(tmp_path, ROSTER)

    kept.refresh_from_db()
    assert (done["learners_unchanged"], done["errors"]) == (1, [])
    assert (kept.first_name, kept.guardians.get().external_id) == ("Anne", "g1")


def test_a_learner_who_is_merged_meanwhile_is_given_no_guardian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of the batch and the writing of the row; the next roster finds the learner who stays."""
    bring(tmp_path, ROSTER)
    gone = Learner.objects.get()
    gone.guardianships.all().delete()
    kept = LearnerFactory(workspace=gone.workspace)
    read = people._read_known

    def read_and_merge(*args: Any) -> Any:
        known = read(*args)
        merge_learners(keep_id=kept.pk, drop_id=gone.pk, actor=SYSTEM, reason="One child", now=utc_now())
        return known

    with monkeypatch.context() as patched:
        patched.setattr(people, "_read_known", read_and_merge)
        refused = bring(tmp_path, ROSTER)

    assert ["repeat the request" in error for error in refused["errors"]] == [True]
    assert not Guardianship.objects.exists()
    assert bring(tmp_path, ROSTER)["errors"] == []
    assert kept.guardians.get().external_id == "g1"


def test_an_id_that_is_empty_or_there_before_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    more = (
        "cy@example.org,,active,Cy,Doe,,07,\nann@example.net,s1,active,Ann,Doe,,07,\ndi@example.org,s7,gone,Di,Doe,,,\n"
    )

    done = bring(tmp_path, {**ROSTER, "users.csv": USERS + more})

    assert done["errors"] == [
        "users.csv line 6, sourcedId: The sourcedId is empty. Fill it in.",
        "users.csv line 7, sourcedId: An earlier line has this sourcedId. Keep one of them.",
        "users.csv line 8, status: A status is active or tobedeleted, or is left empty.",
    ]
    assert Learner.objects.get().email == "ann@example.org"
