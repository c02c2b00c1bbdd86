"""The tasks that the back office gives to staff."""

from accounts.states import Role
from accounts.task_kinds import Urgency, register_kind

EXPORT_FAILED = register_kind(
    "export_failed",
    label="Export that failed",
    role=Role.ADMIN,
    subjects=("export",),
    remedy=(
        "Look at the error on the export's page. Once its cause is fixed, the person who "
        "requested it can start it again."
    ),
    urgency=Urgency.LATER,
)
