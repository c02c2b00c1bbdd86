"""The page on which a family reads what is stored, downloads it, asks to delete it, or signs browsers out."""

import contextlib

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.browsers import end_all_sign_ins, end_other_sign_ins, recognize_browser
from accounts.consents import ConsentOver, list_live, withdraw_consent
from accounts.families import learners_of
from accounts.family_pages import for_families
from accounts.family_sign_ins import end_family_sign_in, list_family_sign_ins
from accounts.models import FamilySignIn, Learner, User
from core.actors import Actor
from core.clock import utc_now
from core.errors import DomainError, NotFound
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
    browsers = _browsers(request, user)
    context = {
        "children": children,
        "email": user.email,
        "browsers": browsers,
        "has_others": len(browsers) > 1,
        "zone": settings.DEFAULT_WORKSPACE_TIMEZONE,
    }
    return render(request, "family/data.html", context)


@require_safe
@for_families
def download_data(request: HttpRequest, user: User, cuid: str) -> HttpResponseBase:
    """Stream the zip of one learner, built on request and stored nowhere."""
    learner = _learner_or_404(user, cuid)
    now = utc_now()
    made = export_learner(
        learner=learner,
        reader=user.email,
        sign_ins=list_family_sign_ins(user=user, now=now),
        actor=Actor("user", user.pk),
        now=now,
    )
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


@require_POST
@for_families
def sign_out_there(request: HttpRequest, user: User, sign_in_id: int) -> HttpResponse:
    """Sign the person out of one browser."""
    try:
        end_family_sign_in(user_id=user.pk, sign_in_id=sign_in_id)
    except NotFound:
        messages.info(request, _("That browser was already signed out."))
    else:
        messages.success(request, _("That browser is signed out."))
    return redirect(f"{reverse('my-data')}#browsers")


@require_POST
@for_families
def sign_out_elsewhere(request: HttpRequest, user: User) -> HttpResponse:
    """Sign the person out of every browser except this one."""
    end_other_sign_ins(request, user=user)
    messages.success(request, _("Every other browser is signed out."))
    return redirect(f"{reverse('my-data')}#browsers")


def _browsers(request: HttpRequest, user: User) -> list[FamilySignIn]:
    """Return the sign-ins to show, this browser's first. A session that was not opened by code has none stored; it is
    shown by what its request says about the browser."""
    key = request.session.session_key
    listed = list_family_sign_ins(user=user, now=utc_now())
    here = [each for each in listed if each.session_id == key]
    browser, system = recognize_browser(request.headers.get("User-Agent", ""))
    return [*(here or [FamilySignIn(browser=browser, system=system)]), *(each for each in listed if each not in here)]


def _ask(request: HttpRequest, learner: Learner, *, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"learner": learner, "asked_at": find_asked([learner.pk]).get(learner.pk), "problem": problem}
    return render(request, "family/data_delete.html", context, status=status)


def _learner_or_404(user: User, cuid: str) -> Learner:
    learner = learners_of(user).filter(cuid=cuid).select_related("workspace").first()
    if learner is None:
        raise Http404
    return learner
