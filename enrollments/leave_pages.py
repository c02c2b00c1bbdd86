"""Leaving, for families: choose whom it is for, see what is refunded and how long that offer holds, and confirm."""

from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.families import learners_of
from accounts.family_pages import for_families
from accounts.models import User
from core.actors import Actor
from core.clock import utc_now
from core.errors import DomainError, Invalid, NotFound
from core.forms import check_texts
from core.http.zones import zone_of

from .errors import QuoteOver
from .leaving import (
    Wish,
    ask_for_refund,
    can_ask,
    confirm_quote,
    find_leavable,
    find_quote,
    has_asked,
    is_open,
    quote_exits,
)
from .models import CancellationQuote, Enrollment
from .reasons import FAMILY_LEFT


class LeaveForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("A word to the program (optional)"),
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def leave(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Choose who leaves what: the enrollment that the family came from, and others of theirs along with it."""
    theirs = Enrollment.objects.kept().filter(learner__in=learners_of(user))
    asked = theirs.filter(cuid=cuid).first()
    if asked is None:
        raise Http404
    leavable = list(find_leavable(theirs.filter(workspace=asked.workspace_id)))
    chosen = request.POST.getlist("enrollment") if request.method == "POST" else [cuid]
    chosen = [enrollment.cuid for enrollment in leavable if enrollment.cuid in chosen]
    problem = ""
    if request.method == "POST" and not chosen:
        problem = _("Choose at least one.")
    elif request.method == "POST":
        try:
            quote = quote_exits(
                workspace_id=asked.workspace_id, enrollment_cuids=chosen, actor=Actor("user", user.pk), now=utc_now()
            )
        except DomainError as refusal:
            problem = refusal.detail
        else:
            return redirect("leaving", cuid=quote.cuid)
    context = {"asked": asked, "leavable": leavable, "chosen": chosen, "problem": problem}
    return render(request, "enrollments/leave.html", context, status=422 if problem else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def ask_refund(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Request a refund for what is over; a current enrollment is left by a quote, which says what is refunded."""
    enrollment = Enrollment.objects.kept().filter(learner__in=learners_of(user), cuid=cuid).first()
    if enrollment is None:
        raise Http404
    now = utc_now()
    problem = ""
    if request.method == "POST":
        try:
            wish = request.POST.get("wish", "")
            ask_for_refund(enrollment_id=enrollment.pk, wish=wish, actor=Actor("user", user.pk), now=now)
        except Invalid:
            problem = _("Choose one of the reasons.")
        except DomainError as refusal:
            problem = refusal.detail
        else:
            messages.success(request, _("You asked for a refund. The program decides and writes to you."))
            return redirect("my-enrollment", cuid=cuid)
    if find_leavable(Enrollment.objects.filter(pk=enrollment.pk)).exists():
        return redirect("leave", cuid=cuid)
    context = {
        "enrollment": enrollment,
        "wishes": Wish.choices,
        "can_ask": can_ask(enrollment, now=now),
        "has_asked": has_asked(enrollment),
        "problem": problem,
    }
    return render(request, "enrollments/refund.html", context, status=422 if problem else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def show_quote(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Show what leaving brings and how long the quote holds, or, once confirmed, what it brought."""
    actor = Actor("user", user.pk)
    quote = _quote_or_404(user, cuid, actor)
    form = LeaveForm(request.POST if request.method == "POST" else None)
    if request.method != "POST":
        return _render(request, quote, form)
    if not form.is_valid():
        return _render(request, quote, form, status=422)
    try:
        confirm_quote(
            workspace_id=None,
            cuid=cuid,
            reason=FAMILY_LEFT,
            note=form.cleaned_data["note"],
            actor=actor,
            now=utc_now(),
        )
    except QuoteOver:
        return _render(request, quote, form, status=409)
    except DomainError as refusal:
        return _render(request, quote, form, problem=refusal.detail, status=409)
    except OperationalError:
        problem = _("Somebody else was changing this. Nothing has happened: try again.")
        return _render(request, quote, form, problem=problem, status=409)
    return redirect("leaving", cuid=cuid)


def _quote_or_404(user: User, cuid: str, actor: Actor) -> CancellationQuote:
    try:
        quote = find_quote(workspace_id=None, cuid=cuid, actor=actor)
    except NotFound as error:
        raise Http404 from error
    theirs = set(learners_of(user).values_list("pk", flat=True))
    if not all(each.enrollment.learner_id in theirs for each in quote.exits.all()):
        raise Http404  # a child whose guardian they no longer are
    return quote


def _render(
    request: HttpRequest, quote: CancellationQuote, form: LeaveForm, *, problem: str = "", status: int = 200
) -> HttpResponse:
    exits = list(quote.exits.all())
    context = {
        "quote": quote,
        "exits": exits,
        "first": exits[0].enrollment.cuid,
        "is_open": quote.confirmed_at is None and is_open(quote) and not problem,
        "has_money": any(each.returned_minor for each in exits),
        "is_by_staff": any(each.is_by_staff for each in exits),
        "zone": zone_of(request) or ZoneInfo(quote.workspace.timezone),
        "form": form,
        "problem": problem,
    }
    return render(request, "enrollments/leaving.html", context, status=status)
