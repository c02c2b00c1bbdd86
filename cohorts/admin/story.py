"""Course events on the pages of learners, enrollments, and payments: places, packages, sessions, the line, mails."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from accounts.models import Learner
from backoffice.display import admin_url, badge
from backoffice.stories import Happening, register_chapter, register_thread
from billing.models import Payment
from enrollments.models import Enrollment
from notifications.models import Notification
from notifications.story import tell_mail

from ..models import CohortPlace, StepProgress, StudentPackage, WaitlistEntry
from .display import meeting_time, step_badge


def tell_place(row: CohortPlace) -> Happening:
    return Happening(
        title=f"Place in {row.cohort.instance.program}, {row.cohort}",
        icon="chair",
        badge=badge(row.status, row.get_status_display()),
        note=row.release_reason,
        url=admin_url(row),
    )


def tell_package(row: StudentPackage) -> Happening:
    return Happening(title=f"Package {row}", icon="inventory_2", note=row.revoke_reason, url=admin_url(row))


def tell_booking(row: StepProgress) -> Happening:
    session = row.class_session or row.last_session
    return Happening(
        title=f"{row.step}",
        icon="fact_check",
        badge=step_badge(row.status),
        note=". ".join(part for part in (meeting_time(session) if session else "", row.excuse) if part),
        url=admin_url(row),
    )


def tell_entry(row: WaitlistEntry) -> Happening:
    return Happening(
        title=f"Waiting list of {row.cohort}",
        icon="hourglass_top",
        badge=badge(row.status, row.get_status_display()),
        note=row.note,
        by=f"user:{row.joined_by_id}" if row.joined_by_id else "",
        url=admin_url(row),
    )


def _bookings_of(ids: Sequence[int]) -> QuerySet[StepProgress]:
    rows = StepProgress.objects.filter(package__enrollment__in=ids)
    return rows.select_related("step", "class_session__group_class", "last_session__group_class")


def _mails_of(ids: Sequence[int]) -> QuerySet[Notification]:
    steps = StepProgress.objects.filter(package__enrollment__in=ids).values_list("package", "pk")
    packages = dict.fromkeys(package for package, _ in steps)
    return Notification.objects.about(
        [*(f"package:{key}" for key in packages), *(f"progress:{key}" for _, key in steps)]
    )


register_chapter(
    Enrollment,
    lambda ids: CohortPlace.objects.filter(enrollment__in=ids).select_related("cohort__instance__program"),
    at="created_at",
    tell=tell_place,
)
register_chapter(
    Enrollment, lambda ids: StudentPackage.objects.filter(enrollment__in=ids), at="purchased_at", tell=tell_package
)
register_chapter(Enrollment, _bookings_of, at="changed_at", tell=tell_booking)
register_chapter(Enrollment, _mails_of, at="created_at", tell=tell_mail)
register_chapter(
    Learner,
    lambda ids: WaitlistEntry.objects.filter(learner__in=ids).select_related("cohort"),
    at="created_at",
    tell=tell_entry,
)


def _payments_of(enrollment_ids: Iterable[int]) -> list[int]:
    places = CohortPlace.objects.filter(enrollment__in=list(enrollment_ids), checkout__isnull=False)
    checkouts = list(places.values_list("checkout", flat=True))
    return list(Payment.objects.filter(checkout__in=checkouts).values_list("pk", flat=True))


def _of_learner(learner: Learner) -> list[int]:
    return _payments_of(learner.enrollments.values_list("pk", flat=True))


def _own_enrollment(row: Any) -> list[int]:
    return [row.enrollment_id]


register_thread(Enrollment, Payment, lambda enrollment: _payments_of([enrollment.pk]))
register_thread(Learner, Payment, _of_learner)
register_thread(Payment, Enrollment, lambda payment: payment.packages.values_list("enrollment", flat=True))
register_thread(StepProgress, Enrollment, lambda progress: [progress.package.enrollment_id])
for part in (CohortPlace, StudentPackage):
    register_thread(part, Enrollment, _own_enrollment)
    register_thread(part, Payment, lambda row: _payments_of([row.enrollment_id] if row.enrollment_id else []))
