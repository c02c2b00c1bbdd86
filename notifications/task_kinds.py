"""The tasks that mail raises for staff."""

from accounts.states import Role
from accounts.task_kinds import register_kind

EMAIL_NOT_SENT = register_kind(
    "email_not_sent",
    label="Email that could not be sent",
    role=Role.REVIEWER,
    subjects=("notification",),
    remedy="Look at the email's last error, and send it again on its page.",
)
