"""A learner whose names and addresses appear nowhere else, and the search for them in everything that is stored."""

import json
from collections.abc import Iterator
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.files.storage import storages
from django.db import connection
from django.test import Client

from accounts.merging import merge_learners
from accounts.models import Guardian, Guardianship, Learner, StaffTask, User, Workspace
from accounts.tests.factories import MembershipFactory, WorkspaceFactory
from backoffice.exporting.files import path_of
from backoffice.models import AuditEntry, Export
from cohorts.models import CalendarFeed, StepProgress
from cohorts.tests.factories import CourseFactory, buy_on_rows, cohort_with
from core.actors import SYSTEM
from core.clock import utc_now
from core.jobs import JobStatus
from enrollments.imports.reading import Format
from enrollments.models import Enrollment, EnrollmentTransition, Inquiry
from enrollments.states import ParticipationStatus, QuestionKind
from enrollments.tests.applicants import answer_to, apply, ask, instance_with_form, pdf
from enrollments.tests.factories import InstanceFactory, seats
from enrollments.tests.importing import import_file
from enrollments.tests.integrators import Api
from notifications.models import Notification
from partners.models import Certificate, PartnerEvent
from partners.tests.factories import approved, define, group, steps_of

FIRST, LAST = "Quillonia", "Zzyzxford"
LEARNER, GUARDIAN = "quillonia@zzyzxford.test", "guardian@zzyzxford.test"
PHONE, SCHOOL = "+12025550199", "Zzyzxford Academy"
CANARIES = ("quillonia", "zzyzxford", "2025550199")


def build_canary() -> Learner:
    """Known by every way in, with something of every kind that is kept; nothing of it goes on."""
    workspace: Workspace = WorkspaceFactory(slug="canary")
    _enroll(workspace)
    learner = Learner.objects.get(email=LEARNER)
    _apply(workspace)
    twin = Learner.objects.exclude(pk=learner.pk).get(first_name=FIRST)
    merge_learners(keep_id=learner.pk, drop_id=twin.pk, reason=f"{FIRST} is one", actor=SYSTEM, now=utc_now())
    _import(workspace)
    _buy(workspace, learner)
    _train(workspace, learner)
    _sign_in(learner)
    _write_about(workspace, learner)
    Enrollment.objects.filter(learner=learner).update(participation_status=ParticipationStatus.WITHDRAWN)
    return learner


def _enroll(workspace: Workspace) -> None:
    InstanceFactory(workspace=workspace)
    seats(workspace, total=3)
    profile = {
        "email": LEARNER,
        "first_name": FIRST,
        "last_name": LAST,
        "phone": PHONE,
        "school": SCHOOL,
    }
    Api(workspace).enroll(key="canary-1", learner_profile=profile)


def _apply(workspace: Workspace) -> None:
    instance = instance_with_form(workspace=workspace, is_default=False)
    why = ask(instance, label="Why?")
    file = ask(instance, kind=QuestionKind.FILE, label="Report")
    answers = answer_to(why, f"{FIRST} loves robots") | answer_to(file, pdf(f"{LAST}.pdf", _pdf()))
    apply(instance, email=GUARDIAN, first_name=FIRST, last_name=LAST, school=SCHOOL, **answers)


def _pdf() -> bytes:
    return f"%PDF-1.7\n% {FIRST} {LAST}\n%%EOF\n".encode()


def _import(workspace: Workspace) -> None:
    instance = InstanceFactory(workspace=workspace, is_default=False, price=None)
    content = f"firstName,lastName,email,phone,metadata.note\n{FIRST},{LAST},{LEARNER},{PHONE},{FIRST} again\n"
    import_file(instance, content.encode(), Format.CSV)


def _buy(workspace: Workspace, learner: Learner) -> None:
    cohort = cohort_with(
        options=(1,),
        instance=InstanceFactory(workspace=workspace, program=CourseFactory(workspace=workspace), is_default=False),
    )
    package = buy_on_rows(cohort, learner)
    StepProgress.objects.filter(package=package).update(excuse=f"{FIRST} was ill")


def _train(workspace: Workspace, learner: Learner) -> None:
    instance = InstanceFactory(workspace=workspace, is_default=False, price=None)
    define(instance, group(instance, 1))
    enrollment = approved(instance)
    Enrollment.objects.filter(pk=enrollment.pk).update(learner=learner)
    now = utc_now()
    Certificate.objects.create(
        enrollment=enrollment, learner_name=f"{FIRST} {LAST}", program_title="Robots", issued_at=now, issued_by="system"
    )
    [step, *_] = steps_of(enrollment)
    unread = json.dumps({"student": {"mail": LEARNER}})
    PartnerEvent.objects.create(
        provider=step.provider, event_id="e1", type="x", external_enrollment_id="?", unread=unread
    )


def _sign_in(learner: Learner) -> None:
    guardian, _ = Guardian.objects.get_or_create(
        workspace=learner.workspace, email=GUARDIAN, defaults={"first_name": "Max", "last_name": LAST}
    )
    Guardianship.objects.get_or_create(guardian=guardian, learner=learner)
    user, _ = User.objects.get_or_create(email=GUARDIAN, defaults={"last_name": LAST})
    EmailAddress.objects.get_or_create(user=user, email=GUARDIAN, defaults={"verified": True, "primary": True})
    CalendarFeed.objects.create(user=user)
    Client().force_login(user, backend="django.contrib.auth.backends.ModelBackend")


def _write_about(workspace: Workspace, learner: Learner) -> None:
    """Write what staff type, and what the back office stores of it."""
    staff = MembershipFactory(workspace=workspace).user
    now = utc_now()
    enrollment = Enrollment.objects.filter(learner=learner).order_by("pk")[0]
    EnrollmentTransition.objects.filter(enrollment=enrollment).update(note=f"{FIRST}'s mother called")
    Inquiry.objects.create(
        enrollment=enrollment,
        question=f"Which grade is {FIRST} in?",
        answer=f"{FIRST} is in 5b",
        status="answered",
        asked_by="user:1",
        asked_at=now,
        due_at=now,
        settled_at=now,
    )
    StaffTask.objects.create(
        workspace=workspace,
        kind="partner_silent",
        subject=f"enrollment:{enrollment.cuid}",
        summary="Look at it",
        status="done",
        resolution=f"Called {FIRST} {LAST}",
    )
    LogEntry.objects.log_actions(
        user_id=staff.pk,
        queryset=[learner],
        action_flag=CHANGE,
        change_message=f"Renamed to {FIRST}",
        single_object=True,
    )
    AuditEntry.objects.create(
        at=now,
        actor="user:1",
        workspace=workspace,
        model="accounts.learner",
        object_id=str(learner.pk),
        action="Changed",
        reason=f"{FIRST} moved",
    )
    Notification.objects.create(
        workspace=workspace, kind="course_completed", subject_key=f"learner:{learner.pk}", recipient=GUARDIAN
    )
    export = Export.objects.create(
        source="enrollments", format="csv", workspace=workspace, status=JobStatus.COMPLETED, finished_at=now
    )
    path_of(export).write_text(f"{FIRST},{LAST},{LEARNER}\n")


def places_of_canary(*, more: str = "") -> set[str]:
    """Return the tables and folders in which a canary appears, in any column and any spelling."""
    found = {table for table in connection.introspection.table_names() if _is_in(_dump(table))}
    found |= {f"file in {place}" for place, told in _files() if _is_in(told)}
    if _is_in(more):
        found.add("log")
    return found


def _files() -> Iterator[tuple[str, str]]:
    """Each file that is kept: in which folder, and what it is called and holds."""
    kept = storages["private"]
    for folder in kept.listdir("")[0]:
        for name in kept.listdir(folder)[1]:
            with kept.open(f"{folder}/{name}", "rb") as file:
                yield folder, name + file.read().decode("utf-8", "replace")


def forget_files() -> None:
    """Those of tests before: what is kept in memory outlives a transaction."""
    kept = storages["private"]
    for folder in kept.listdir("")[0]:
        for name in kept.listdir(folder)[1]:
            kept.delete(f"{folder}/{name}")


def _dump(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
        rows: list[Any] = cursor.fetchall()
    return json.dumps(rows, default=str, ensure_ascii=False)


def _is_in(text: str) -> bool:
    lower = text.lower()
    return any(canary in lower for canary in CANARIES)
