"""What staff have to do outside of the platform when somebody was erased in it."""

from accounts.states import Role
from accounts.task_kinds import Urgency, register_kind

ERASE_ELSEWHERE = register_kind(
    "erase_elsewhere",
    label="Erase with vendors",
    role=Role.ADMIN,
    subjects=("learner",),
    remedy="Ask Stripe, the issuer of invoices and the partners to erase what they hold under the ids in the summary, "
    "then complete the task.",
    urgency=Urgency.SOON,
)
