"""Messages between systems, signed as Standard Webhooks says: https://www.standardwebhooks.com."""

import base64
import datetime as dt
import secrets as randomness
from collections.abc import Sequence

from standardwebhooks.webhooks import Webhook

# For how long the secret before a new one still counts.
BOTH_HOLD = dt.timedelta(days=1)


def new_signing_secret() -> str:
    """As the specification spells it: 24 random bytes."""
    return f"whsec_{base64.b64encode(randomness.token_bytes(24)).decode('ascii')}"


def signed_headers(*, message_id: str, at: dt.datetime, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """The headers by which the receiver of exactly this body knows whom it is from; each of the secrets signs."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets),
    }
