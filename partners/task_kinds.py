"""What partners ask staff to do."""

from accounts.states import Role
from accounts.task_kinds import register_kind

STEP_FAILED = register_kind(
    "partner_step_failed",
    label="Partner that did not take a learner",
    role=Role.REVIEWER,
    subjects=("enrollment",),
    remedy="Ask the partner why, and see to it. Then have the step tried again, skip it, or complete it by evidence.",
)
