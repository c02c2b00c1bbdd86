"""The staff tasks about people's data: answering a family, and having an erased person erased elsewhere too."""

from accounts.states import Role
from accounts.task_kinds import CONSENT_WITHDRAWN, NAME_ASKED, NO_ADDRESS, TWINS, UNANSWERED, Urgency, register_kind
from partners.task_kinds import NUDGES_UNANSWERED

ERASE_ELSEWHERE = register_kind(
    "erase_elsewhere",
    label="Erase with vendors",
    role=Role.ADMIN,
    subjects=("learner",),
    remedy="Ask Stripe, the issuer of invoices and the partners to erase what they hold under the ids in the summary, "
    "then complete the task.",
    urgency=Urgency.SOON,
)
DELETION_ASKED = register_kind(
    "deletion_asked",
    label="Family asks to delete a learner's data",
    role=Role.ADMIN,
    subjects=("learner",),
    remedy=(
        "End what is in progress, then erase the learner on their page, or explain there why not. "
        "The family gets a mail either way; completing the task here sends none."
    ),
)
# With somebody's erasure, nobody is left to find, to ask, to call, or to tell from others.
SETTLED_BY_ERASING = (
    *(TWINS, NO_ADDRESS, UNANSWERED, NAME_ASKED, CONSENT_WITHDRAWN, DELETION_ASKED),
    NUDGES_UNANSWERED,
)
