"""A partner's API: enroll, look up by id or by reference, withdraw. Faults apply as they do to Stripe."""

import datetime as dt
import hmac
import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from sandbox.knobs.weather import strike_after, strike_before
from sandbox.lms import dialects
from sandbox.lms.models import LmsEnrollment, Partner
from sandbox.lms.webhooks import tell

Body = dict[str, Any]


class Refusal(Exception):
    """A request that the partner refuses, with the status of its response."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


Operation = Callable[..., tuple[int, Any]]


def endpoint(**operations: Operation) -> Callable[..., HttpResponseBase]:
    """Return the view of a path; `operations` are keyed by lower-case method."""

    def view(request: HttpRequest, slug: str, **ids: str) -> HttpResponseBase:
        try:
            run = operations.get(str(request.method).lower())
            if run is None:
                raise Refusal(405, "No such method here.")
            partner, _ = Partner.objects.get_or_create(slug=slug)
            _check_key(partner, request)
            if blow := strike_before(request):
                raise Refusal(blow.status, blow.message, **blow.headers)
            with transaction.atomic():
                status, body = run(partner, request, **ids)
        except Refusal as refusal:
            return JsonResponse({"error": str(refusal)}, status=refusal.status, headers=refusal.headers)
        answer = JsonResponse(dialects.show(partner.dialect, body), status=status, safe=False)
        return strike_after(request, answer, lambda message: JsonResponse({"error": message}, status=500))

    return view


def enroll(partner: Partner, request: HttpRequest) -> tuple[int, Body]:
    asked = _read(partner, request)
    key = request.headers.get("Idempotency-Key", "") if partner.honors_keys else ""
    known = LmsEnrollment.objects.filter(partner=partner, key=key).first() if key else None
    if known is not None:
        return 201, render(known)
    if str(asked["course_id"]).startswith("unknown"):
        raise Refusal(422, f"There is no course {asked['course_id']}.")
    made = LmsEnrollment.objects.create(
        partner=partner,
        reference=asked["reference"],
        key=key,
        course_id=asked["course_id"],
        learner=asked["learner"],
    )
    tell(made, "enrollment.created")
    return 201, render(made)


def list_enrollments(partner: Partner, request: HttpRequest) -> tuple[int, list[Body]]:
    rows = LmsEnrollment.objects.filter(partner=partner)
    parameter = dialects.PARAMETERS[partner.dialect]
    if parameter in request.GET:
        rows = rows.filter(reference=request.GET[parameter])
    return 200, [render(row) for row in rows.order_by("pk")[:100]]


def retrieve(partner: Partner, request: HttpRequest, ref: str) -> tuple[int, Body]:
    return 200, render(find(partner, ref))


def withdraw(partner: Partner, request: HttpRequest, ref: str) -> tuple[int, Body]:
    row = find(partner, ref)
    if row.status == "active":
        row.status = "withdrawn"
        row.save()
    return 200, render(row)


def find(partner: Partner, ref: str) -> LmsEnrollment:
    row = LmsEnrollment.objects.filter(partner=partner, ref=ref).first()
    if row is None:
        raise Refusal(404, "There is no such enrollment.")
    return row


def render(row: LmsEnrollment) -> Body:
    """Return an enrollment as the partner shows it."""
    body: Body = {
        "id": row.ref,
        "reference": row.reference,
        "course_id": row.course_id,
        "status": row.status,
        "progress": row.progress,
        "launch_url": launch_url(row),
    }
    if row.completed is not None:
        certificate = {"id": f"cert_{row.ref}", "number": f"C-{row.pk:06}", "download_url": launch_url(row)}
        body |= {"completed_at": completed_at(row), "certificate": certificate}
    return body


def launch_url(row: LmsEnrollment) -> str:
    """Return the URL at which the learner takes the course."""
    return f"{settings.PUBLIC_URL}/lms/{row.partner.slug}/launch/{row.ref}"


def completed_at(row: LmsEnrollment) -> str:
    return dt.datetime.fromtimestamp(row.completed or 0, dt.UTC).isoformat()


def _read(partner: Partner, request: HttpRequest) -> Body:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(400, "The body must be JSON.") from error
    try:
        return dialects.read_request(partner.dialect, body)
    except dialects.Missing as error:
        raise Refusal(422, str(error)) from error


def _check_key(partner: Partner, request: HttpRequest) -> None:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if partner.api_key and not hmac.compare_digest(given.encode(), partner.api_key.encode()):
        raise Refusal(401, "This key is not known here.")
