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

STEP_NOT_ENDED = register_kind(
    "partner_step_not_ended",
    label="Partner that did not let a learner go",
    role=Role.REVIEWER,
    subjects=("enrollment",),
    remedy="Tell the partner that the learner has left.",
)
