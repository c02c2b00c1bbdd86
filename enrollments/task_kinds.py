"""The kinds of staff tasks that enrollments creates."""

from accounts.states import Role
from accounts.task_kinds import Urgency, register_kind

NOT_EVALUATED = register_kind(
    "enrollment_not_evaluated",
    label="Enrollment that could not be evaluated",
    role=Role.REVIEWER,
    subjects=("enrollment",),
    remedy="Look at the verdict on the enrollment's page. Complete its data or correct the criteria and evaluate it "
    "again, or mark it eligible or ineligible by hand.",
)
NOT_COMPLETED = register_kind(
    "enrollment_not_completed",
    label="Enrollment that could not be completed",
    role=Role.ADMIN,
    subjects=("enrollment",),
    remedy="Its course is over, and the error is in the log. Correct what the error names; the next sweep completes "
    "the enrollment and this task.",
)
IMPORT_FAILED = register_kind(
    "import_failed",
    label="Import of candidates that failed",
    role=Role.ADMIN,
    subjects=("import",),
    remedy="Look at the error on the import's page. What was imported stays; send the file again, with duplicates "
    "skipped, to import the rest, or undo the import. If it failed while it was being undone, undo it again: it "
    "continues where it stopped.",
    urgency=Urgency.LATER,
)
EVALUATION_FAILED = register_kind(
    "evaluation_failed",
    label="Evaluation of a program that failed",
    role=Role.ADMIN,
    subjects=("evaluation",),
    remedy="Look at the error on the evaluation's page, and evaluate the candidates again on the page of the instance.",
    urgency=Urgency.LATER,
)
NO_ANSWER = register_kind(
    "family_did_not_answer",
    label="Family that did not answer a reviewer",
    role=Role.REVIEWER,
    subjects=("enrollment",),
    remedy="The case is back in the review queue. Decide without the answer, ask again, or call the family. An answer "
    "that comes later is shown there too, and completes this task.",
)
REFUND_ASKED = register_kind(
    "refund_asked",
    label="Family that asks for a refund",
    role=Role.FINANCE,
    subjects=("enrollment",),
    remedy="Look at the enrollment and its payment. Refund what is fair on the payment's page, which mails the "
    "family, or write to the family why nothing comes back; then complete this task with what you decided.",
)
