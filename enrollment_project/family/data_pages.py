"""The page on which a family reads what is stored, downloads it, asks to delete it, or ends all of its sign-ins."""

import contextlib

from django.contrib import messages
from django.contrib.auth import logout
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.consents import ConsentOver, list_live, withdraw_consent
from accounts.families import learners_of
from accounts.family_pages import for_families
from accounts.models import Learner, User
from accounts.staff_sign_ins import end_all_sign_ins
from core.actors import Actor
from core.clock import utc_now
from core.errors import DomainError
from privacy.wishes import ask_for_deletion, find_asked

from ..learner_data.export import Part, export_learner
from ..learner_data.stored import KINDS, count_stored


@require_safe
@for_families
def show_data(request: HttpRequest, user: User) -> HttpResponse:
    """Show for each of the family's learners what is stored, for how long, and what can be done about it."""
    learners = list(learners_of(user).select_related("workspace").order_by("pk"))
    ids = [learner.pk for learner in learners]
    counts = count_stored(ids)
    asked = find_asked(ids)
    consents = list_live(learner_ids=ids, address=user.email)
    children = [
        {
            "learner": learner,
            "parts": [Part(kind, counts[learner.pk][kind.name]) for kind in KINDS if counts[learner.pk].get(kind.name)],
            "asked_at": asked.get(learner.pk),
            "consents": consents[learner.pk],
        }
        for learner in learners
    ]
    return render(request, "family/data.html", {"children": children, "email": user.email})


@require_safe
@for_families
def download_data(request: HttpRequest, user: User, cuid: str) -> HttpResponseBase:
    """Stream the zip of one learner, built on request and stored nowhere."""
    learner = _learner_or_404(user, cuid)
    made = export_learner(learner=learner, reader=user.email, actor=Actor("user", user.pk), now=utc_now())
    name = f"learner-{learner.cuid}.zip"
    return FileResponse(made, as_attachment=True, filename=name, content_type="application/zip")


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def delete_data(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Ask the program to delete all of it, after explaining what that means."""
    learner = _learner_or_404(user, cuid)
    if request.method == "POST":
        try:
            ask_for_deletion(learner_id=learner.pk, actor=Actor("user", user.pk), now=utc_now())
        except DomainError as refusal:
            return _ask(request, learner, problem=refusal.title, status=409)
        messages.success(request, _("You asked for it. The program looks at it and writes to you."))
        return redirect("my-data")
    return _ask(request, learner)


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def withdraw(request: HttpRequest, user: User, cuid: str, consent_id: int) -> HttpResponse:
    """Withdraw a consent after the person has read it once more."""
    learner = _learner_or_404(user, cuid)
    live = list_live(learner_ids=[learner.pk], address=user.email)[learner.pk]
    consent = next((each for each in live if each.pk == consent_id), None)
    if consent is None:
        raise Http404
    if request.method == "POST":
        with contextlib.suppress(ConsentOver):  # withdrawn in another tab: it is as they want it
            withdraw_consent(consent_id=consent.pk, actor=Actor("user", user.pk), now=utc_now())
        messages.success(request, _("You withdrew your consent: %(title)s.") % {"title": consent.text.title})
        return redirect("my-data")
    return render(request, "family/consent.html", {"learner": learner, "consent": consent})


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def sign_out_everywhere(request: HttpRequest, user: User) -> HttpResponse:
    """Sign the person out of every browser, including this one."""
    if request.method == "POST":
        end_all_sign_ins(user_id=user.pk)
        logout(request)
        messages.success(request, _("You are signed out of every browser."))
        return redirect("home")
    return render(request, "family/sign_out_everywhere.html", {"email": user.email})


def _ask(request: HttpRequest, learner: Learner, *, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"learner": learner, "asked_at": find_asked([learner.pk]).get(learner.pk), "problem": problem}
    return render(request, "family/data_delete.html", context, status=status)


def _learner_or_404(user: User, cuid: str) -> Learner:
    learner = learners_of(user).filter(cuid=cuid).select_related("workspace").first()
    if learner is None:
        raise Http404
    return learner
