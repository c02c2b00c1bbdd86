"""What is stored about a learner, kind by kind: what a family sees, and which columns its download contains.

Columns are named one by one, so that a new one is not handed out before somebody has thought about it. Data about other
people is left out: addresses of guardians and payers, names and notes of staff. A test compares the kinds with the
models: every foreign key to a learner or an enrollment has a kind, or a reason in `LEFT_OUT`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Model, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Consent, Guardianship, Lead, Learner, NameChange
from billing.models import Voucher
from cohorts.models import CohortPlace, StepProgress, StudentPackage, WaitlistEntry
from enrollments.models import (
    Application,
    ApplicationFile,
    EligibilityVerdict,
    Enrollment,
    EnrollmentDecision,
    EnrollmentLabel,
    EnrollmentTransition,
    Inquiry,
    PlannedExit,
    SeatAssignment,
)
from partners.models import Certificate, EnrollmentStep

AS_RECORD = _("As long as the program keeps records of its learners, or until they are deleted.")
AS_MONEY = _("As long as tax law asks for, also after the rest is deleted.")


@dataclass(frozen=True, slots=True)
class StoredKind:
    """Rows of one model about learners, whom `path` leads to. `kept` says how long the rows are stored and why."""

    name: str
    label: str | Promise
    model: type[Model]
    path: str
    columns: str  # separated by spaces
    kept: str | Promise = AS_RECORD
    present: str = ""  # a column that must be set for a row to count

    def rows_of(self, learner_ids: Collection[int]) -> QuerySet[Any]:
        rows = self.model._default_manager.filter(**{f"{self.path}__in": learner_ids})
        return rows.exclude(**{self.present: None}) if self.present else rows

    def list_rows(self, learner_id: int) -> Iterator[dict[str, Any]]:
        """Yield each row's columns, oldest first, without loading all rows at once."""
        rows = self.rows_of([learner_id]).order_by("pk").values(*self.columns.split())
        yield from rows.iterator(chunk_size=500)


KINDS = (
    StoredKind(
        "learner",
        _("Name, address and school"),
        Learner,
        "pk",
        "cuid external_id first_name last_name email phone address grade_level school created_at",
    ),
    StoredKind(
        "earlier_records",
        _("Earlier records that were joined with this one"),
        Learner,
        "merged_into",
        "external_id first_name last_name phone address grade_level school created_at",
    ),
    StoredKind(
        "names",
        _("Changes of the name"),
        NameChange,
        "learner",
        "first_name_before last_name_before first_name last_name asked_at decided_at is_applied note",
    ),
    StoredKind("guardians", _("Guardians, without their names"), Guardianship, "learner", "created_at"),
    StoredKind(
        "consents",
        _("Consents"),
        Consent,
        "learner",
        "purpose text__version text__title text__text way evidence given_at reported_at ended_at end end_evidence",
    ),
    StoredKind(
        "inquiries_before",
        _("What was known before the first enrollment"),
        Lead,
        "converted_to",
        "first_name last_name phone address created_at",
    ),
    StoredKind(
        "enrollments",
        _("Enrollments"),
        Enrollment,
        "learner",
        "cuid instance__program__title instance__name eligibility_status eligibility_reason "
        "participation_status payment_status phone address serial_number reference_id "
        "reference_description tags start_date end_date created_at",
    ),
    StoredKind(
        "history",
        _("What happened to the enrollments"),
        EnrollmentTransition,
        "enrollment__learner",
        "enrollment__cuid facet from_status to_status reason created_at",
    ),
    StoredKind(
        "labels",
        _("Labels of the enrollments"),
        EnrollmentLabel,
        "enrollment__learner",
        "enrollment__cuid kind value created_at",
    ),
    StoredKind(
        "decisions",
        _("Decisions about who pays"),
        EnrollmentDecision,
        "learner",
        "enrollment__cuid provision_source status reason created_at",
    ),
    StoredKind(
        "verdicts",
        _("Checks of the requirements"),
        EligibilityVerdict,
        "enrollment__learner",
        "enrollment__cuid outcome reason created_at",
    ),
    StoredKind(
        "applications",
        _("Applications"),
        Application,
        "enrollment__learner",
        "cuid first_name last_name grade_level school created_at confirmed_at",
    ),
    StoredKind(
        "files",
        _("Files of applications"),
        ApplicationFile,
        "application__enrollment__learner",
        "cuid application__cuid name media_type size created_at",
    ),
    StoredKind(
        "questions",
        _("Questions of the program with your answers"),
        Inquiry,
        "enrollment__learner",
        "enrollment__cuid question asked_at status answer settled_at",
    ),
    StoredKind(
        "planned_exits",
        _("Exits that were planned"),
        PlannedExit,
        "enrollment__learner",
        "enrollment__cuid effective_date reason status created_at settled_at",
    ),
    StoredKind(
        "seats",
        _("Seats that a district paid for"),
        SeatAssignment,
        "learner",
        "allocation__district__name status reserved_at used_at released_at release_reason",
    ),
    StoredKind(
        "places",
        _("Places in courses"),
        CohortPlace,
        "learner",
        "cohort__name status created_at taken_at released_at release_reason",
    ),
    StoredKind(
        "waiting_lists",
        _("Places in line"),
        WaitlistEntry,
        "learner",
        "cohort__name status created_at offered_at offer_expires_at",
    ),
    StoredKind(
        "courses",
        _("Courses"),
        StudentPackage,
        "learner",
        "name purchased_at expires_at completed_at revoked_at revoke_reason",
    ),
    StoredKind(
        "sessions",
        _("Sessions and attendance"),
        StepProgress,
        "package__learner",
        "package__name step__title status class_session__starts_at booked_at completed_at excuse",
    ),
    StoredKind(
        "partner_courses",
        _("Courses at partners"),
        EnrollmentStep,
        "enrollment__learner",
        "provider__name course_id status external_enrollment_id progress started_at due_at completed_at",
    ),
    StoredKind(
        "certificates",
        _("Certificates"),
        Certificate,
        "enrollment__learner",
        "serial learner_name program_title issued_at revoked_at revoked_reason",
    ),
    StoredKind(
        "vouchers",
        _("Vouchers for this learner alone"),
        Voucher,
        "learner",
        "code kind percent amount_minor currency uses valid_from valid_until created_at",
    ),
    StoredKind(
        "payments_for_courses",
        _("Payments for courses"),
        StudentPackage,
        "learner",
        "name payment__amount_minor payment__refunded_minor payment__currency payment__status payment__paid_at",
        kept=AS_MONEY,
        present="payment",
    ),
    StoredKind(
        "payments_for_programs",
        _("Payments for programs"),
        EnrollmentDecision,
        "learner",
        "enrollment__cuid payment__amount_minor payment__refunded_minor payment__currency payment__status "
        "payment__paid_at",
        kept=AS_MONEY,
        present="payment",
    ),
)

# Foreign keys to a learner, an enrollment, or a course that no kind covers: (model, field) -> why.
LEFT_OUT: dict[tuple[str, str], str] = {
    ("LearnerMerge", "kept"): "the earlier records say what was joined; the rest is why staff did it",
    ("LearnerMerge", "dropped"): "the same",
    ("ImportedRow", "enrollment"): "the line of a file that led to the enrollment, which has what it said",
    ("QuotedExit", "enrollment"): "a reckoning of minutes; what came of it is a payment and an exit",
    ("HeldReview", "enrollment"): "a decision that can still be taken back; then it is in the history",
    ("OpenCase", "enrollment"): "which of the staff looks at a case just now",
    ("Nudge", "enrollment"): "how often a mail went to whom",
}


def count_stored(learner_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Count the rows of each kind about each learner, with one query per kind."""
    counts: dict[int, dict[str, int]] = {learner_id: {} for learner_id in learner_ids}
    for kind in KINDS:
        rows = kind.rows_of(learner_ids).order_by().values(kind.path).annotate(n=Count("pk"))
        for learner_id, count in rows.values_list(kind.path, "n"):
            counts[learner_id][kind.name] = count
    return counts
