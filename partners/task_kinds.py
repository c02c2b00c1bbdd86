"""The kinds of staff tasks that partners creates."""

from accounts.states import Role
from accounts.task_kinds import register_kind

STEP_FAILED = register_kind(
    "partner_step_failed",
    label="Partner that did not take a learner",
    role=Role.REVIEWER,
    subjects=("enrollment",),
    remedy=(
        "Ask the partner for the reason and resolve it. Then retry the step, skip it, or complete it with evidence."
    ),
)

ACCEPTANCE_LATE = register_kind(
    "partner_acceptance_late",
    label="Partner that is late to take a learner",
    role=Role.REVIEWER,
    subjects=("partner_step",),
    remedy="Ask the partner when it takes the learner. The task is completed once the step moves on.",
)

COMPLETION_LATE = register_kind(
    "partner_completion_late",
    label="Partner that is late to finish with a learner",
    role=Role.REVIEWER,
    subjects=("partner_step",),
    remedy="Ask the partner and the learner what is missing. The task is completed once the step moves on.",
)

STEP_NOT_ENDED = register_kind(
    "partner_step_not_ended",
    label="Partner that did not let a learner go",
    role=Role.REVIEWER,
    subjects=("enrollment",),
    remedy="Tell the partner that the learner has left.",
)

NUDGES_UNANSWERED = register_kind(
    "partner_nudges_unanswered",
    label="Nudges that nobody followed",
    role=Role.REVIEWER,
    subjects=("enrollment", "partner"),
    remedy="Call the family or the partner. The task is completed once the learner, or the partner, has moved on.",
)

MESSAGES_UNREAD = register_kind(
    "partner_messages_unread",
    label="Partner whose messages can't be read",
    role=Role.OWNER,
    subjects=("partner",),
    remedy="Correct the partner's field map. The message in the inbox of partners says what is missing. It is then "
    "read again, and the task completes itself.",
)
