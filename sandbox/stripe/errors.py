"""Stripe's error responses: an HTTP status and a body with the type, the code, and the parameter at fault."""

from typing import Any


class StripeError(Exception):
    """An error response. One that names a parameter, and any 429, is not stored under the idempotency key."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code:
            doc_url = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
            error |= {"code": self.code, "doc_url": doc_url}
        if self.param:
            error["param"] = self.param
        return {"error": error}

    @property
    def is_kept(self) -> bool:
        return self.param is None and self.status in {400, 402, 404}


def no_such(kind: str, ref: str, *, param: str = "id", status: int = 404) -> StripeError:
    return StripeError(f"No such {kind}: '{ref}'", status=status, code="resource_missing", param=param)


def invalid(param: str, message: str, code: str | None = None) -> StripeError:
    return StripeError(message, code=code, param=param)


def rate_limited(*, retry_after: int) -> StripeError:
    return StripeError(
        "Request rate limit exceeded.",
        status=429,
        code="rate_limit",
        headers={"Retry-After": str(retry_after), "Stripe-Rate-Limited-Reason": "global-rate"},
    )


def internal(**headers: str) -> StripeError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return StripeError("An unknown error occurred.", status=500, type="api_error", headers=named)


# An account that may not do this, in Stripe's words: 400 for what its owner has to complete, 403 for the current key.
REFUSALS = {
    "account": StripeError(
        "In order to use Checkout, you must set an account or business name at https://dashboard.stripe.com/account.",
    ),
    "permission": StripeError(
        "The provided key does not have the required permissions for this endpoint on account 'acct_1Sandbox'.",
        status=403,
    ),
}


def unrecognized(method: str, path: str) -> StripeError:
    return StripeError(f"Unrecognized request URL ({method}: {path}).", status=404)


def wrong_key(key: str) -> StripeError:
    if not key:
        message = "You did not provide an API key. Send it as 'Authorization: Bearer YOUR_SECRET_KEY'."
    else:
        message = f"Invalid API Key provided: {key[:7]}{'*' * 8}{key[-4:]}"
    return StripeError(message, status=401, headers={"WWW-Authenticate": 'Bearer realm="Stripe"'})
