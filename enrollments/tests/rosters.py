"""OneRoster archives, and their import from the upload to its end."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from accounts.models import Workspace
from core.clock import utc_now
from enrollments.imports.job import receive_roster
from enrollments.imports.options import Options
from enrollments.lifecycle import approve_enrollment, submit_enrollment
from enrollments.models import Enrollment, ImportJob

from .factories import STAFF
from .importing import work_on

USERS_HEADER = "sourcedId,status,givenName,familyName,email,grades,agentSourcedIds\n"
ROLES_HEADER = "sourcedId,userSourcedId,roleType,role\n"
CLASSES = "sourcedId,status,title,courseSourcedId,classCode,termSourcedIds\nc1,,Coding A,course1,CODE-A,t1\n"
COURSES = "sourcedId,title,courseCode\ncourse1,Coding,CODING\n"
SESSIONS = "sourcedId,title,type,startDate,endDate\nt1,Spring,term,2026-01-10,2026-06-20\n"
ENROLLMENTS_HEADER = "sourcedId,status,classSourcedId,userSourcedId,role,endDate\n"


def manifest_of(modes: Mapping[str, str]) -> str:
    """Return a manifest that gives each file its mode."""
    promised = "".join(f"file.{name},{mode}\n" for name, mode in modes.items())
    return f"propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\n{promised}"


def students(*numbers: int) -> dict[str, str]:
    """Return the files of these students, s1 and so on."""
    users = [f"s{n},,Ann{n},Lee,ann{n}@example.org,07,\n" for n in numbers]
    roles = [f"r{n},s{n},primary,student\n" for n in numbers]
    return {"users.csv": USERS_HEADER + "".join(users), "roles.csv": ROLES_HEADER + "".join(roles)}


def in_class(*numbers: int, name: str = "c1", status: str = "") -> str:
    """Return the rows of enrollments.csv for these students in a class."""
    return "".join(f"{name}-s{n},{status},{name},s{n},student,\n" for n in numbers)


def school(*numbers: int) -> dict[str, str]:
    """Return a roster with these students in the class c1 of the course with the code CODING."""
    return {
        **students(*numbers),
        "classes.csv": CLASSES,
        "courses.csv": COURSES,
        "academicSessions.csv": SESSIONS,
        "enrollments.csv": ENROLLMENTS_HEADER + in_class(*numbers),
    }


def ending(*numbers: int, end: str = "") -> dict[str, str]:
    """Return a delta that takes these students out of the class c1, on the day `end` if it names one."""
    rows = in_class(*numbers, status="tobedeleted").replace(",student,\n", f",student,{end}\n")
    return {"classes.csv": CLASSES, "courses.csv": COURSES, "enrollments.csv": ENROLLMENTS_HEADER + rows}


def approve_all() -> None:
    for enrollment in Enrollment.objects.filter(eligibility_status="eligible"):
        submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
        approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())


def archive_of(files: Mapping[str, str | bytes], *, mode: str = "bulk") -> bytes:
    """Return a ZIP of these files, adding a manifest if there is none."""
    packed = io.BytesIO()
    names = [name.lower().removesuffix(".csv") for name in files if "/" not in name]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {"manifest.csv": manifest_of(dict.fromkeys(names, mode)), **files}.items():
            archive.writestr(name, text)
    return packed.getvalue()


def receive_archive(workspace: Workspace, archive: bytes, **options: Any) -> ImportJob:
    return receive_roster(
        workspace_id=workspace.pk, file=io.BytesIO(archive), options=Options(**options), actor=STAFF, now=utc_now()
    )


def import_roster(
    workspace: Workspace, files: Mapping[str, str | bytes], *, mode: str = "bulk", **options: Any
) -> ImportJob:
    return work_on(receive_archive(workspace, archive_of(files, mode=mode), **options))


def faults_of(job: ImportJob) -> list[tuple[str, int, str, str]]:
    """Return each fault with its file, line, field, and code."""
    return list(job.faults.order_by("file", "line", "pk").values_list("file", "line", "field", "code"))
