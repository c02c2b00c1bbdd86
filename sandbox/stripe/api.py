"""The stages of every API request: key, faults, idempotency, parameters, the operation itself, expansion."""

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.crypto import get_random_string

from sandbox.knobs import clock, faults
from sandbox.knobs.lost_answers import broken_off
from sandbox.stripe import errors, events
from sandbox.stripe.errors import StripeError
from sandbox.stripe.expanding import expand
from sandbox.stripe.models import IdempotentAnswer
from sandbox.stripe.parameters import Kind, List, Text, decode, parse
from sandbox.stripe.rendering import Body

KEY_LIFETIME_SECONDS = 24 * 60 * 60
logger = logging.getLogger(__name__)

_keys_in_flight: set[str] = set()
_keys_lock = threading.Lock()


@dataclass(frozen=True)
class Operation:
    """One method of one path: its parameters, and the function that handles them (with the ids in the path)."""

    parameters: Mapping[str, Kind]
    run: Callable[..., Body]


def operation(**parameters: Kind) -> Callable[[Callable[..., Body]], Operation]:
    return lambda run: Operation(parameters={**parameters, "expand": List(Text())}, run=run)


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One API request, its key checked and its parameters decoded but not validated yet."""

    method: str
    path: str
    operation: Operation
    ids: Mapping[str, str]
    given: Mapping[str, Any]
    key: str

    @property
    def fingerprint(self) -> str:
        asked = json.dumps([self.method, self.path, self.given], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()


def endpoint(**operations: Operation) -> Callable[..., HttpResponseBase]:
    """Return the view of a path; `operations` are keyed by lower-case method."""

    def view(request: HttpRequest, **ids: str) -> HttpResponseBase:
        request_ref = f"req_{get_random_string(14)}"
        headers = {"Request-Id": request_ref}
        for echoed in ("Idempotency-Key", "Stripe-Version"):
            if echoed in request.headers:
                headers[echoed] = request.headers[echoed]
        headers.setdefault("Stripe-Version", settings.STRIPE_API_VERSION)
        try:
            answer = _answer(_read(request, operations, ids), request_ref)
        except StripeError as error:
            answer = _error_answer(error)
        except ConnectionLost:
            return broken_off(headers)
        except Exception:
            logger.exception("The sandbox failed to answer %s %s", request.method, request.path)
            answer = _error_answer(errors.internal())
        return HttpResponse(
            answer.body, status=answer.status, content_type="application/json", headers={**headers, **answer.headers}
        )

    return view


def not_found(request: HttpRequest) -> HttpResponseBase:
    """Handle any other path under /v1/."""
    return endpoint()(request)


class ConnectionLost(Exception):
    """The lost_answer knob: the request was executed, but the caller will not receive the response."""


def _read(request: HttpRequest, operations: Mapping[str, Operation], ids: Mapping[str, str]) -> Call:
    _check_key(request.headers.get("Authorization", ""))
    method = request.method or "GET"
    if method.lower() not in operations:
        raise errors.unrecognized(method, request.path)
    try:
        encoded = request.META["QUERY_STRING"].encode() if method == "GET" else request.body
    except RequestDataTooBig as error:
        raise StripeError("The request is too large.", status=413) from error
    key = request.headers.get("Idempotency-Key", "") if method == "POST" else ""
    if len(key) > 255:
        raise StripeError("Idempotency keys can have up to 255 characters.", type="idempotency_error")
    return Call(method, request.path, operations[method.lower()], ids, decode(encoded), key)


def _check_key(authorization: str) -> None:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except ValueError:
            credentials = ""
    if not hmac.compare_digest(credentials.strip().encode(), settings.STRIPE_SECRET_KEY.encode()):
        raise errors.wrong_key(credentials.strip())


def _answer(call: Call, request_ref: str) -> Answer:
    with _in_flight(call.key):
        _suffer_before(call)
        token = events.cause.set(events.Cause(request_ref, call.key or None))
        try:
            answer = _execute(call)
        finally:
            events.cause.reset(token)
    # The key is free by now: losing the response on its way back no longer concerns the request.
    return _suffer_after(call, answer)


@contextmanager
def _in_flight(key: str) -> Iterator[None]:
    """Hold the idempotency key while its request runs. It is kept in memory, because the sandbox is one process."""
    if not key:
        yield
        return
    with _keys_lock:
        if key in _keys_in_flight:
            raise StripeError(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                f"submitted twice, and the other request is still going through): {key}. Please try again later.",
                status=409,
                type="idempotency_error",
                code="idempotency_key_in_use",
            )
        _keys_in_flight.add(key)
    try:
        yield
    finally:
        with _keys_lock:
            _keys_in_flight.discard(key)


def _suffer_before(call: Call) -> None:
    here = {"path": call.path, "method": call.method}
    if fault := faults.strike("latency_ms", **here):
        time.sleep(fault["value"] / 1000)
    if fault := faults.strike("rate_limit", **here):
        raise errors.rate_limited(retry_after=fault["retry_after"])
    if faults.strike("server_error", **here):
        raise errors.internal()
    if fault := faults.strike("refusal", **here):
        raise errors.REFUSALS[fault["value"]]


def _suffer_after(call: Call, answer: Answer) -> Answer:
    fault = faults.strike("lost_answer", path=call.path, method=call.method)
    if fault is None:
        return answer
    if fault["value"] == "close":
        raise ConnectionLost
    if fault["value"] == "hang":
        time.sleep(fault["delay_ms"] / 1000)
        return answer
    # Stripe stores a 500 under its key like any other response, and tells clients that retrying is useless.
    lost = _error_answer(errors.internal(Stripe_Should_Retry="false"))
    IdempotentAnswer.objects.filter(key=call.key).update(status=lost.status, body=lost.body)
    return lost


def _execute(call: Call) -> Answer:
    if call.method == "GET":
        return _run(call)
    try:
        with transaction.atomic():
            if kept := _kept_answer(call):
                return kept
            answer = _run(call)
            _keep(call, answer)
    except StripeError as error:
        if error.is_kept:
            _keep(call, _error_answer(error))
        raise
    return answer


def _run(call: Call) -> Answer:
    parameters = parse(call.operation.parameters, call.given)
    paths = parameters.pop("expand", [])
    return Answer(200, _dump(expand(call.operation.run(parameters, **call.ids), paths)))


def _kept_answer(call: Call) -> Answer | None:
    kept = IdempotentAnswer.objects.filter(key=call.key).first() if call.key else None
    if kept is None:
        return None
    if kept.created <= clock.now() - KEY_LIFETIME_SECONDS:
        kept.delete()
        return None
    if kept.fingerprint != call.fingerprint:
        raise StripeError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{call.key}' if you meant to execute a different request.",
            status=400,
            type="idempotency_error",
            param="idempotency_key",
        )
    headers = {"Idempotent-Replayed": "true"}
    if kept.status >= 500:
        headers["Stripe-Should-Retry"] = "false"
    return Answer(kept.status, kept.body, headers)


def _keep(call: Call, answer: Answer) -> None:
    if call.key:
        IdempotentAnswer.objects.create(
            key=call.key,
            fingerprint=call.fingerprint,
            status=answer.status,
            body=answer.body,
            created=clock.now(),
        )


def _error_answer(error: StripeError) -> Answer:
    return Answer(error.status, _dump(error.body), error.headers)


def _dump(body: Body) -> str:
    return json.dumps(body, indent=2)
