"""Messages between systems, signed according to Standard Webhooks: https://www.standardwebhooks.com."""

import base64
import datetime as dt
import secrets as randomness
from collections.abc import Sequence

from standardwebhooks.webhooks import Webhook

# How long the previous secret stays valid after a new one is issued.
BOTH_HOLD = dt.timedelta(days=1)


def new_signing_secret() -> str:
    """Return a new secret in the specification's format: 24 random bytes."""
    return f"whsec_{base64.b64encode(randomness.token_bytes(24)).decode('ascii')}"


def signed_headers(*, message_id: str, at: dt.datetime, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers that tell the receiver of exactly this body who sent it; each of the secrets signs."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets),
    }
