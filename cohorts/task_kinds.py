"""The kinds of staff tasks that cohorts creates."""

from accounts.states import Role
from accounts.task_kinds import register_kind

NO_SESSION = register_kind(
    "step_without_session",
    label="Step without a session to book",
    role=Role.REVIEWER,
    subjects=("package",),
    remedy="Put a session on the calendar of the cohort, or excuse the step on the package's page.",
)
ONLY_SESSION_FULL = register_kind(
    "only_session_full",
    label="Only session of a step is full",
    role=Role.ADMIN,
    subjects=("package",),
    remedy="Add seats to the class of the session, or add a class.",
)
ONLY_SESSION_OVERLAPS = register_kind(
    "only_session_overlaps",
    label="Only session of a step overlaps",
    role=Role.ADMIN,
    subjects=("package",),
    remedy="Add a class for the step, or change one of the learner's two sessions.",
)
