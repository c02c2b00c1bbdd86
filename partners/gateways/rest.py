"""The one place that talks to partners' systems: HTTP and JSON, as docs/partners.md specifies, with the names of each
partner's field map.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote

from core.breaker import Breaker
from core.outbound import Answer
from core.vendors import Misread, Vendor, VendorDown, VendorRefuses

from ..field_map import ANSWER, LOOKUP, REQUEST, FieldMap, pick
from ..messages import field_map_of, percent
from ..models import EnrollmentStep, Provider
from ..web_addresses import web_address
from .contract import EnrollmentRequest, PartnerDown, PartnerEnrollment, PartnerGateway, PartnerNews, PartnerRefuses

T = TypeVar("T")

FAILURES_IN_A_ROW = 5
LEFT_ALONE_SECONDS = 30.0
GONE = frozenset((404, 410))


class _Unknown(PartnerRefuses):
    """The partner has nothing at this URL."""


def get_gateway(provider: Provider) -> PartnerGateway:
    """Return the gateway to a partner that has an API."""
    return RestGateway(provider, _breaker_of(provider.pk, hash((provider.base_url, provider.api_key))))


@cache
def _breaker_of(provider_id: int, _asked_by: int) -> Breaker:
    """Return the circuit breaker of a partner in this process: one partner's failures must not affect the others. A
    corrected URL or key gets a new one.
    """
    return Breaker(failures=FAILURES_IN_A_ROW, seconds=LEFT_ALONE_SECONDS)


class RestGateway:
    """Implements PartnerGateway over HTTP."""

    def __init__(self, provider: Provider, breaker: Breaker) -> None:
        self._address = f"{provider.base_url.rstrip('/')}/enrollments"
        self._key = provider.api_key
        self._fields = field_map_of(provider)
        self._vendor = Vendor(
            "The partner", label=f"partner:{provider.slug}", breaker=breaker, seconds=float(provider.timeout_seconds)
        )

    def enroll(self, request: EnrollmentRequest) -> PartnerEnrollment:
        body = write_request(self._fields, request)
        headers = {"Idempotency-Key": request.reference}
        return self._ask(
            "POST", lambda answer: _enrollment(self._fields, self._one(answer)), body=body, headers=headers
        )

    def find(self, reference: str) -> PartnerEnrollment | None:
        params = {self._fields.path(LOOKUP, "parameter"): reference}
        return self._ask("GET", lambda answer: _first(self._fields, answer.json(), reference), params=params)

    def read(self, external_id: str) -> PartnerNews | None:
        try:
            return self._ask(
                "GET", lambda answer: _news(self._fields, self._one(answer), external_id), path=_path_of(external_id)
            )
        except _Unknown:
            return None

    def end(self, external_id: str) -> None:
        with suppress(_Unknown):
            self._ask("DELETE", lambda answer: None, path=_path_of(external_id))

    def _one(self, answer: Answer) -> Any:
        """Return the enrollment in a response."""
        return _inside(answer.json(), self._fields.path(LOOKUP, "enrollment"))

    def _ask(
        self,
        method: str,
        read: Callable[[Answer], T],
        *,
        path: str = "",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> T:
        known = {"Authorization": f"Bearer {self._key}", **(headers or {})}
        address = f"{self._address}{path}"
        try:
            return self._vendor.ask(method, address, read, headers=known, **more)
        except VendorDown as error:
            raise PartnerDown(
                error.detail, wait_seconds=error.wait_seconds, was_asked=error.was_asked, is_busy=error.is_busy
            ) from error
        except VendorRefuses as error:
            refusal = _Unknown if error.answer.status in GONE else PartnerRefuses
            raise refusal(f"The partner answered {error.answer.status}.") from error


def _path_of(external_id: str) -> str:
    if set(external_id) <= {"."}:  # in a URL path, these would lead elsewhere
        raise PartnerRefuses("This id can't be asked for.")
    return f"/{quote(external_id, safe='')}"


def write_request(fields: FieldMap, request: EnrollmentRequest) -> dict[str, Any]:
    """Return the body of the request that enrolls a learner."""
    return fields.write(
        REQUEST,
        {
            "courseId": request.course_id,
            "reference": request.reference,
            "learnerId": request.learner_cuid,
            "email": request.email,
            "firstName": request.first_name,
            "lastName": request.last_name,
        },
    )


def _inside(body: Any, path: str) -> Any:
    return pick(body, path) if path else body


def _enrollment(fields: FieldMap, body: Any) -> PartnerEnrollment:
    found = fields.need(ANSWER, "id", body)
    if isinstance(found, bool) or not isinstance(found, str | int) or not str(found).strip():
        raise Misread(f"{fields.path(ANSWER, 'id')} is no id")
    column = EnrollmentStep._meta.get_field("external_enrollment_id")
    if len(str(found)) > (column.max_length or 0) or not str(found).isprintable():
        raise Misread(f"{fields.path(ANSWER, 'id')} is no id")
    return PartnerEnrollment(id=str(found), launch_url=web_address(fields.read(ANSWER, "launchUrl", body)))


def _news(fields: FieldMap, body: Any, external_id: str) -> PartnerNews:
    """Parse an enrollment. One with a different id is no answer to the request."""
    if str(fields.need(ANSWER, "id", body)) != external_id:
        raise Misread("another enrollment")
    progress = fields.read(ANSWER, "progress", body)
    named = {name: fields.read(ANSWER, name, body) for name in ("certificateId", "certificateNumber", "downloadUrl")}
    return PartnerNews(
        status=fields.status(fields.need(ANSWER, "status", body)),
        progress=0 if progress is None else percent(progress, at=fields.path(ANSWER, "progress")),
        completed_at=str(fields.read(ANSWER, "completedAt", body) or ""),
        certificate={name: text for name, text in named.items() if text},
    )


def _first(fields: FieldMap, body: Any, reference: str) -> PartnerEnrollment | None:
    """Return the enrollment under our reference, from a list or a single response, whatever else the partner lists. One
    that has ended there is skipped, because the learner can't continue with it.
    """
    rows = _inside(body, fields.path(LOOKUP, "list")) if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise Misread(f"no list at {fields.path(LOOKUP, 'list') or 'the top'}")
    ours = [row for row in rows if str(fields.need(ANSWER, "reference", row)) == reference]
    live = [row for row in ours if fields.status(fields.read(ANSWER, "status", row)) != "withdrawn"]
    return _enrollment(fields, live[0]) if live else None
