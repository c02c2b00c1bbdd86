"""What webhooks ask staff to do."""

from accounts.states import Role
from accounts.task_kinds import register_kind

ENDPOINT_DISABLED = register_kind(
    "webhook_endpoint_disabled",
    label="Webhook endpoint that was switched off",
    role=Role.ADMIN,
    subjects=("webhook-endpoint",),
    remedy="Ask whoever runs the receiver what happened. Then enable the endpoint: what waits goes out at once, and "
    "what happened in between can be replayed. Or delete it.",
)
