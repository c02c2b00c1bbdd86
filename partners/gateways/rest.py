"""The one place that speaks to partners' systems: HTTP and JSON, as docs/partners.md asks of them."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote

from core.breaker import Breaker
from core.outbound import Answer
from core.vendors import Vendor, VendorDown, VendorRefuses

from ..models import EnrollmentStep, Provider
from ..web_addresses import web_address
from .contract import EnrollmentRequest, PartnerDown, PartnerEnrollment, PartnerGateway, PartnerNews, PartnerRefuses

T = TypeVar("T")

FAILURES_IN_A_ROW = 5
LEFT_ALONE_SECONDS = 30.0
GONE = frozenset((404, 410))


class _Unknown(PartnerRefuses):
    """The partner knows nothing at this address."""


def get_gateway(provider: Provider) -> PartnerGateway:
    """The gateway to a partner that has an API."""
    return RestGateway(provider, _breaker_of(provider.pk))


@cache
def _breaker_of(provider_id: int) -> Breaker:
    """One for each partner and process: what one of them fails in is no other's fault."""
    return Breaker(failures=FAILURES_IN_A_ROW, seconds=LEFT_ALONE_SECONDS)


class RestGateway:
    """Implements PartnerGateway over HTTP."""

    def __init__(self, provider: Provider, breaker: Breaker) -> None:
        self._address = f"{provider.base_url.rstrip('/')}/enrollments"
        self._key = provider.api_key
        self._vendor = Vendor(
            "The partner", label=f"partner:{provider.slug}", breaker=breaker, seconds=float(provider.timeout_seconds)
        )

    def enroll(self, request: EnrollmentRequest) -> PartnerEnrollment:
        body = {
            "course_id": request.course_id,
            "reference": request.reference,
            "learner": {
                "id": request.learner_cuid,
                "email": request.email,
                "first_name": request.first_name,
                "last_name": request.last_name,
            },
        }
        headers = {"Idempotency-Key": request.reference}
        return self._ask("POST", lambda answer: _enrollment(answer.json()), body=body, headers=headers)

    def find(self, reference: str) -> PartnerEnrollment | None:
        return self._ask("GET", lambda answer: _first(answer.json(), reference), params={"reference": reference})

    def read(self, external_id: str) -> PartnerNews | None:
        try:
            return self._ask("GET", lambda answer: _news(answer.json(), external_id), path=_path_of(external_id))
        except _Unknown:
            return None

    def end(self, external_id: str) -> None:
        with suppress(_Unknown):
            self._ask("DELETE", lambda answer: None, path=_path_of(external_id))

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
    if set(external_id) <= {"."}:  # in an address, these are steps to somewhere else
        raise PartnerRefuses("This id can't be asked for.")
    return f"/{quote(external_id, safe='')}"


def _enrollment(body: Any) -> PartnerEnrollment:
    found = body["id"]
    if isinstance(found, bool) or not isinstance(found, str | int) or not str(found).strip():
        raise ValueError("no id")
    column = EnrollmentStep._meta.get_field("external_enrollment_id")
    if len(str(found)) > (column.max_length or 0) or not str(found).isprintable():
        raise ValueError("an id that is none")
    return PartnerEnrollment(id=str(found), launch_url=web_address(body.get("launch_url")))


def _news(body: Any, external_id: str) -> PartnerNews:
    """An enrollment as the partner shows it. One with another id is no answer to what was asked."""
    if str(body["id"]) != external_id:
        raise ValueError("another enrollment")
    progress = body.get("progress", 0)
    if isinstance(progress, bool) or not isinstance(progress, int | float) or not 0 <= progress <= 100:
        raise ValueError("progress is a number from 0 to 100")
    certificate = body.get("certificate") or {}
    named = {
        "certificateId": certificate.get("id"),
        "certificateNumber": certificate.get("number"),
        "downloadUrl": certificate.get("download_url"),
    }
    return PartnerNews(
        status=str(body["status"]),
        progress=int(progress),
        completed_at=str(body.get("completed_at") or ""),
        certificate={name: text for name, text in named.items() if text},
    )


def _first(body: Any, reference: str) -> PartnerEnrollment | None:
    """Of a list, or of `{"data": [...]}`: the one under our reference, whatever else the partner lists. One that has
    ended there is none that the learner can go on with."""
    rows = body["data"] if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise TypeError("no list")
    ours = [row for row in rows if row["reference"] == reference and row.get("status") != "withdrawn"]
    return _enrollment(ours[0]) if ours else None
