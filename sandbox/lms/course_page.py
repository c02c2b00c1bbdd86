"""The page on which a learner takes a course, reduced to two buttons, which curl can press."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render

from sandbox.knobs import clock
from sandbox.lms import api
from sandbox.lms.models import LmsEnrollment
from sandbox.lms.webhooks import tell

HALF = 50


def show(request: HttpRequest, slug: str, ref: str) -> HttpResponse:
    row = _find(slug, ref)
    if row is None:
        return render(request, "sandbox/message.html", {"message": "There is no such course."}, status=404)
    context = {
        "row": row,
        "course": _in_words(row.course_id),
        "partner": _in_words(slug).title(),
        "certificate": api.render(row).get("certificate"),
        "path": f"/lms/{slug}/enrollments/{ref}",
    }
    return render(request, "lms/course.html", context)


def take_half(request: HttpRequest, slug: str, ref: str) -> HttpResponse:
    """Increase the progress, which never decreases, as in any course."""
    return _press(request, slug, ref, progress=HALF, status="active")


def complete(request: HttpRequest, slug: str, ref: str) -> HttpResponse:
    return _press(request, slug, ref, progress=100, status="completed")


def _press(request: HttpRequest, slug: str, ref: str, *, progress: int, status: str) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    with transaction.atomic():
        row = _find(slug, ref)
        if row is not None and row.status == "active":
            row.progress = max(row.progress, progress)
            row.status = status
            row.completed = clock.now() if status == "completed" else None
            row.save()
            _tell(row)
    if row is None:
        return render(request, "sandbox/message.html", {"message": "There is no such course."}, status=404)
    return HttpResponse(status=303, headers={"Location": f"/lms/{slug}/launch/{ref}"})


def _tell(row: LmsEnrollment) -> None:
    tell(row, "progress.updated", progress=row.progress)
    if row.status == "completed":
        shown = api.render(row)
        certificate = shown["certificate"]
        tell(row, "course.completed", completedAt=shown["completed_at"])
        tell(
            row,
            "certificate.issued",
            certificateId=certificate["id"],
            certificateNumber=certificate["number"],
            downloadUrl=certificate["download_url"],
        )


def _in_words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").capitalize()


def _find(slug: str, ref: str) -> LmsEnrollment | None:
    return LmsEnrollment.objects.select_related("partner").filter(partner__slug=slug, ref=ref).first()
