"""The personal data that this app stores, and what erasing a person does to it (`core.personal`)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet

from core.actors import Actor
from core.jobs import UNFINISHED
from core.personal import ERASED, NOWHERE, Fate, Kind, Person, Personal, kept, unless_empty, words

from .deletion import delete_enrollment
from .imports.files import drop_file
from .models import (
    Application,
    ApplicationFile,
    District,
    EligibilityVerdict,
    Enrollment,
    EnrollmentDecision,
    EnrollmentLabel,
    EnrollmentTransition,
    HeldReview,
    ImportedRow,
    ImportJob,
    Inquiry,
    PlannedExit,
    SeatAssignment,
)
from .states import GOING_ON, EnrollmentPaymentStatus, HeldReviewStatus

NOBODY = f"nobody{NOWHERE}"


def _of(model: type[Model]) -> Callable[[Person], QuerySet[Any]]:
    return lambda person: model._default_manager.filter(enrollment__in=person.enrollments)


def _made_for(model: type[Model]) -> Callable[[Person], QuerySet[Any]]:
    """Return a query for rows that have a learner in addition to their enrollment."""
    return lambda person: model._default_manager.filter(
        Q(learner__in=person.learners) | Q(enrollment__in=person.enrollments)
    )


def _applications(person: Person) -> QuerySet[Application]:
    """Return the applications that became the person's enrollments, and the unconfirmed ones under their addresses."""
    unconfirmed = Q(confirmed_at__isnull=True, email__in=person.addresses, workspace=person.workspace)
    return Application.objects.filter(Q(enrollment__in=person.enrollments) | unconfirmed)


def _files(person: Person) -> QuerySet[ApplicationFile]:
    return ApplicationFile.objects.filter(application__in=_applications(person).values("pk"))


def _erase_files(person: Person) -> int:
    """Delete the row first, and its file after the commit: a sweep removes what a crash leaves behind."""
    gone = list(_files(person).order_by("pk"))
    for file in gone:
        transaction.on_commit(partial(file.content.storage.delete, str(file.content.name)), robust=True)
    _files(person).delete()
    return len(gone)


def _rows_of_imports(person: Person) -> QuerySet[ImportedRow]:
    named = Q(subject__in=person.subjects) & ~Q(subject="")  # as the condition of the index says
    return ImportedRow.objects.filter(Q(enrollment__in=person.enrollments) | named)


def _uploads(person: Person) -> QuerySet[ImportJob]:
    return ImportJob.objects.filter(pk__in=_rows_of_imports(person).values("job"), file_deleted_at__isnull=True)


def _erase_uploads(person: Person) -> int:
    """Delete the whole file: it has served its purpose."""
    jobs = list(_uploads(person).order_by("pk"))
    for job in jobs:
        drop_file(job, now=person.moment)
        job.save(update_fields=["file_deleted_at"])
    return len(jobs)


PERSONAL = (
    Personal(ApplicationFile, {"name": Kind.WORDS, "content": Kind.FILE}, Fate.DELETED, _files, erase=_erase_files),
    Personal(
        Application,
        {
            "email": Kind.CONTACT,
            "first_name": Kind.NAME,
            "last_name": Kind.NAME,
            "grade_level": Kind.ABOUT,
            "school": Kind.ABOUT,
            "answers": Kind.WORDS,
        },
        Fate.REPLACED,
        _applications,
        {"email": NOBODY, "first_name": "", "last_name": "", "grade_level": "", "school": "", "answers": {}},
    ),
    Personal(
        Enrollment,
        {
            "eligibility_reason": Kind.WORDS,
            "phone": Kind.CONTACT,
            "address": Kind.CONTACT,
            "manufacturer_slugs": Kind.ABOUT,
            "serial_number": Kind.ABOUT,
            "reference_id": Kind.ABOUT,
            "reference_description": Kind.WORDS,
            "tags": Kind.ABOUT,
            "metadata": Kind.WORDS,
        },
        Fate.REPLACED,
        lambda person: Enrollment.objects.filter(pk__in=person.enrollments),
        {
            "eligibility_reason": unless_empty("eligibility_reason"),
            "phone": "",
            "address": {},
            "manufacturer_slugs": [],
            "serial_number": "",
            "reference_id": "",
            "reference_description": "",
            "tags": [],
            "metadata": {},
        },
    ),
    Personal(EnrollmentLabel, {"value": Kind.ABOUT}, Fate.DELETED, _of(EnrollmentLabel)),
    words(EnrollmentTransition, _of(EnrollmentTransition), "reason", "note"),
    Personal(
        EligibilityVerdict,
        {"reason": Kind.WORDS, "answers": Kind.ABOUT},
        Fate.REPLACED,
        _of(EligibilityVerdict),
        {"reason": unless_empty("reason"), "answers": []},
    ),
    words(SeatAssignment, _made_for(SeatAssignment), "release_reason"),
    Personal(
        EnrollmentDecision,
        {
            "learner_email": Kind.CONTACT,
            "learner_profile": Kind.ABOUT,
            "context": Kind.ABOUT,
            "trace": Kind.ABOUT,
            "message": Kind.WORDS,
        },
        Fate.REPLACED,
        _made_for(EnrollmentDecision),
        {"learner_email": NOBODY, "learner_profile": {}, "context": {}, "trace": [], "message": ERASED},
    ),
    Personal(
        PlannedExit,
        {"reason": Kind.WORDS, "note": Kind.WORDS, "metadata": Kind.WORDS},
        Fate.REPLACED,
        _of(PlannedExit),
        {"reason": ERASED, "note": unless_empty("note"), "metadata": {}},
    ),
    words(HeldReview, _of(HeldReview), "reason", "note"),
    Personal(
        Inquiry,
        {"question": Kind.WORDS, "answer": Kind.WORDS},
        Fate.REPLACED,
        _of(Inquiry),
        {"question": ERASED, "answer": unless_empty("answer")},
    ),
    Personal(
        ImportJob,
        {"options": Kind.FILE},
        Fate.REPLACED,
        _uploads,
        erase=_erase_uploads,
        why="the row stays, the file it was read from goes",
        passes=True,
    ),
    Personal(
        ImportedRow,
        {"person": Kind.NAME, "before": Kind.ABOUT},
        Fate.REPLACED,
        _rows_of_imports,
        {"person": "", "before": None},
    ),
    kept(District, "of the district", contact_email=Kind.STAFF),
)


# Undecided, not paid for, and no payment requested: it can end without anybody noticing.
_WAITS = ~Q(eligibility_status__in=GOING_ON) & Q(payment_status=EnrollmentPaymentStatus.NOT_REQUIRED)


def _current(person: Person) -> QuerySet[Enrollment]:
    return Enrollment.objects.current().filter(pk__in=person.enrollments)


def end_what_waits(person: Person, *, actor: Actor) -> None:
    """Delete the enrollments that wait for a decision: there is none to make about an erased person."""
    for enrollment_id in _current(person).filter(_WAITS).order_by("pk").values_list("pk", flat=True):
        delete_enrollment(enrollment_id=enrollment_id, actor=actor, now=person.moment)


def obstacles(person: Person) -> list[str]:
    """Return the learner's current obligations: what each is, and what to do first."""
    going_on = _current(person).exclude(_WAITS).order_by("pk").values_list("instance__name", flat=True)
    held = HeldReview.objects.filter(enrollment__in=person.enrollments, status=HeldReviewStatus.HELD)
    decided = held.order_by("pk").values_list("enrollment__instance__name", flat=True)
    running = ImportJob.objects.filter(workspace=person.workspace, status__in=UNFINISHED)
    return [
        *(f"The enrollment in {name} is going on: end it." for name in going_on),
        *(f"The enrollment in {name} is being decided: wait a minute." for name in decided),
        *("An import is running and may name them: wait for it." for _ in running[:1]),
    ]
