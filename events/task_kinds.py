"""The staff tasks that webhooks raise."""

from accounts.states import Role
from accounts.task_kinds import register_kind

ENDPOINT_DISABLED = register_kind(
    "webhook_endpoint_disabled",
    label="Webhook endpoint that was switched off",
    role=Role.ADMIN,
    subjects=("webhook-endpoint",),
    remedy=(
        "Ask the receiver's operator what happened. Then enable the endpoint: waiting events are "
        "sent at once, and events since then can be replayed. Or delete it."
    ),
)
