"""What the back office asks staff to look at."""

from accounts.states import Role
from accounts.task_kinds import Urgency, register_kind

EXPORT_FAILED = register_kind(
    "export_failed",
    label="Export that failed",
    role=Role.ADMIN,
    subjects=("export",),
    remedy="Look at the error on the export's page. Whoever asked for it can ask again once the cause is gone.",
    urgency=Urgency.LATER,
)
