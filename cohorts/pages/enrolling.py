"""From a cohort to the payment page: who the course is for, then a place with a checkout, or a place in line."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.core.signing import BadSignature, Signer
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.consents import list_asked
from accounts.family_pages import for_families
from accounts.models import Learner, User
from billing.checkout import cancel_checkout
from billing.discounts import Granted, refuse_guessing
from billing.errors import PaymentRejected, VoucherNotAccepted
from billing.states import CheckoutStatus
from core.actors import Actor
from core.clock import utc_now
from core.errors import DomainError, Unavailable
from core.http.zones import zone_of
from enrollments.models import Program
from enrollments.refund_rules import find_policy

from ..course_page import Availability, view_cohort
from ..errors import NotInLine, PlacesFree
from ..family import find_offer, find_unpaid_place, get_waiting_entry, learners_in, live_packages, offers_in
from ..models import Cohort, CohortPlace
from ..queries import cohorts_of, steps_without_session
from ..sale.checkout import default_success_url, start_checkout
from ..sale.enroll import agree, enroll_newcomer, wait_in_line
from ..sale.participants import Newcomer, Participant
from ..sale.pricing import foresee_discount
from ..sale.waitlist import leave_waitlist
from .catalog import course_or_404
from .forms import MYSELF, NEW_CHILD, LearnerForm, NameForm
from .payment import leads_to_payment


@dataclass(frozen=True, slots=True)
class NewLearner:
    """A radio button with a name to type."""

    value: str
    title: str
    label: str
    names: NameForm


@require_http_methods(["GET", "HEAD", "POST"])
@leads_to_payment
@for_families
def enroll(request: HttpRequest, user: User, code: str, cohort_id: int) -> HttpResponse:
    """Ask who the course is for; then hold a place and go to the payment page."""
    course, cohort = _cohort_or_404(code, cohort_id)
    if request.method != "POST":
        return _ask_who(request, user, course, cohort)
    texts = list_asked(workspace_id=course.workspace_id, now=utc_now())
    form = LearnerForm(request.POST, learners=learners_in(user=user, workspace_id=course.workspace_id), texts=texts)
    if not form.is_valid():
        return _ask_who(request, user, course, cohort, form=form, status=422)
    chosen = _chosen_learner(form, user, course)
    voucher = form.cleaned_data["voucher"]
    try:
        with refuse_guessing(request, principal=f"user:{user.pk}", code=voucher):
            if "look" in request.POST:
                return _show_discount(request, user, course, cohort, form, chosen)
            place = _start(user, course, cohort, chosen, voucher, form.given)
    except VoucherNotAccepted as refusal:
        form.add_error("voucher", refusal.detail)
        return _ask_who(request, user, course, cohort, form=form, status=422)
    except DomainError as refusal:
        return _ask_who(request, user, course, cohort, form=form, refusal=refusal, status=_page_status(refusal))
    if place.checkout is not None:
        return redirect(place.checkout.url)
    messages.success(request, _("%(learner)s is enrolled. There was nothing to pay.") % {"learner": place.learner})
    return redirect("course-book", package_id=place.packages.get().pk)


@require_POST
@for_families
def wait(request: HttpRequest, user: User, code: str, cohort_id: int) -> HttpResponse:
    """Put a learner on the waiting list of a full cohort."""
    course, cohort = _cohort_or_404(code, cohort_id)
    form = LearnerForm(request.POST, learners=learners_in(user=user, workspace_id=course.workspace_id))
    if not form.is_valid():
        return _ask_who(request, user, course, cohort, form=form, status=422)
    chosen = _chosen_learner(form, user, course)
    try:
        entry = wait_in_line(
            user=user,
            who=chosen if isinstance(chosen, Newcomer) else Participant(cuid=chosen.cuid),
            cohort=cohort,
            now=utc_now(),
        )
    except PlacesFree:
        messages.info(request, _("There is no need to wait: a place in %(cohort)s is free.") % {"cohort": cohort.name})
        return redirect("course-enroll", code=course.code, cohort_id=cohort.pk)
    except DomainError as refusal:
        return _ask_who(request, user, course, cohort, form=form, refusal=refusal, status=_page_status(refusal))
    messages.success(
        request,
        _("%(learner)s is on the waiting list. We will email %(address)s when a place opens up.")
        % {"learner": entry.learner, "address": user.email},
    )
    return redirect("my-enrollments")


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def leave_payment(request: HttpRequest, user: User, code: str, cohort_id: int) -> HttpResponse:
    """The page to which the payment page leads back, and the button that gives up a place: the checkout is ended.

    If it was paid in another tab in the meantime, it stays paid.
    """
    course, cohort = _cohort_or_404(code, cohort_id)
    asked = request.POST if request.method == "POST" else request.GET
    learner_cuid = asked.get("learner", "")
    if request.method != "POST" and not _may_leave(asked.get("leaving", ""), cohort, learner_cuid):
        return redirect("my-enrollments")  # a made-up link changes nothing, and the button is on that page
    place = find_unpaid_place(user=user, cohort=cohort, learner_cuid=learner_cuid)
    if place is None or place.checkout is None:
        return redirect("course", code=course.code)
    try:
        ended = cancel_checkout(checkout_id=place.checkout.pk, now=utc_now())
    except (Unavailable, PaymentRejected, OperationalError):  # the request is stored, and the sweep continues it
        messages.info(
            request,
            _("Nothing was charged. The payment is being canceled.")
            if place.offer
            else _("Nothing was charged. The place is being given back."),
        )
        return redirect("course", code=course.code)
    if ended.status == CheckoutStatus.CANCELLED and find_offer(user=user, place=place) is not None:
        messages.info(
            request,
            _("Nothing was charged. The place is still kept for %(learner)s; see below until when.")
            % {"learner": place.learner},
        )
        return redirect("my-enrollments")
    if ended.status == CheckoutStatus.CANCELLED:
        told = _("Nothing was charged, and the place of %(learner)s was given back.") % {"learner": place.learner}
        messages.info(request, told)
        return redirect("course", code=course.code)
    return redirect(f"{reverse('course-enrolled')}?{urlencode({'session_id': ended.stripe_session_id or ''})}")


@require_POST
@for_families
def leave_line(request: HttpRequest, user: User, entry_id: int) -> HttpResponse:
    """Leave a waiting list, or decline the place it offers."""
    try:
        entry = get_waiting_entry(user=user, entry_id=entry_id)
        leave_waitlist(learner_id=entry.learner_id, cohort_id=entry.cohort_id, now=utc_now())
    except NotInLine as gone:
        messages.info(request, gone.detail)
    else:
        told = _("%(learner)s is no longer on the waiting list of %(cohort)s.")
        messages.info(request, told % {"learner": entry.learner, "cohort": entry.cohort.name})
    return redirect("my-enrollments")


# --- Who it is for ----------------------------------------------------------------------------------------------------


def _cohort_or_404(code: str, cohort_id: int) -> tuple[Program, Cohort]:
    course = course_or_404(code)
    cohort = cohorts_of(course).filter(pk=cohort_id).first()
    if cohort is None:
        raise Http404
    return course, cohort


def _ask_who(
    request: HttpRequest,
    user: User,
    course: Program,
    cohort: Cohort,
    *,
    form: LearnerForm | None = None,
    refusal: DomainError | None = None,
    granted: Granted | None = None,
    status: int = 200,
) -> HttpResponse:
    fresh = cohorts_of(course).filter(pk=cohort.pk).first() or cohort
    learners = learners_in(user=user, workspace_id=course.workspace_id)
    form = form or LearnerForm(
        learners=learners,
        texts=list_asked(workspace_id=course.workspace_id, now=utc_now()),
        initial={"learner": request.GET.get("learner", "")},
    )
    context = {
        "course": course,
        "view": view_cohort(
            fresh,
            zone=zone_of(request),
            ties=[],
            policy=find_policy(fresh.instance, at=utc_now()),
            now=utc_now(),
        ),
        "full": Availability.FULL,
        "learners": learners,
        "missed": steps_without_session(cohort=fresh, now=utc_now()),
        "offers": list(offers_in(user=user, cohort=fresh)),
        "zone": zone_of(request),
        "now": utc_now(),
        "enrolled": {package.learner_id for package in live_packages(user=user, course=course)},
        "form": form,
        "new_learners": _new_learners(user, learners, form),
        "refusal": refusal,
        "granted": granted,
    }
    return render(request, "cohorts/enroll.html", context, status=status)


def _show_discount(
    request: HttpRequest,
    user: User,
    course: Program,
    cohort: Cohort,
    form: LearnerForm,
    chosen: Learner | Newcomer,
) -> HttpResponse:
    """Show the page again, with the discount for the chosen learner. Nothing is held and no voucher is used."""
    granted = foresee_discount(
        user=user,
        cohort=cohort,
        learner=chosen if isinstance(chosen, Learner) else None,
        voucher=form.cleaned_data["voucher"],
        now=utc_now(),
    )
    return _ask_who(request, user, course, cohort, form=form, granted=granted)


def _new_learners(user: User, learners: list[Learner], form: LearnerForm) -> list[NewLearner]:
    """Return who could be added by name: the person, unless they are already among the learners, and a child."""
    child = NewLearner(
        NEW_CHILD, _("Another child") if learners else _("A child"), _("Name of the child"), form.names[NEW_CHILD]
    )
    if any(learner.user_id == user.pk for learner in learners):
        return [child]
    return [child, NewLearner(MYSELF, _("Me"), _("Your name"), form.names[MYSELF])]


def _chosen_learner(form: LearnerForm, user: User, course: Program) -> Learner | Newcomer:
    chosen = form.cleaned_data["learner"]
    if form.asked_name is None:
        return next(
            learner for learner in learners_in(user=user, workspace_id=course.workspace_id) if learner.cuid == chosen
        )
    return Newcomer(is_child=chosen == NEW_CHILD, **form.asked_name.cleaned_data)


def _start(
    user: User, course: Program, cohort: Cohort, chosen: Learner | Newcomer, voucher: str, given: list[int]
) -> CohortPlace:
    """Hold a place. A learner who is named for the first time is added together with the place, never without it."""
    if isinstance(chosen, Newcomer):
        return enroll_newcomer(
            user=user,
            newcomer=chosen,
            course_code=course.code,
            cohort_id=cohort.pk,
            success_url=default_success_url(),
            cancel_url_of=lambda learner: _leaving_url(course, cohort, learner),
            voucher=voucher,
            consents=given,
            now=utc_now(),
        )
    agree(user=user, learner=chosen, text_ids=given, now=utc_now())
    return start_checkout(
        learner_id=chosen.pk,
        course_code=course.code,
        cohort_id=cohort.pk,
        success_url=default_success_url(),
        cancel_url=_leaving_url(course, cohort, chosen),
        voucher=voucher,
        actor=Actor("user", user.pk),
        now=utc_now(),
    )


def _leaving_url(course: Program, cohort: Cohort, learner: Learner) -> str:
    path = reverse("course-leave-payment", args=[course.code, cohort.pk])
    leaving = _LEAVING.sign(f"{cohort.pk}:{learner.cuid}").rpartition(":")[2]
    return f"{settings.PUBLIC_URL}{path}?{urlencode({'learner': learner.cuid, 'leaving': leaving})}"


# The payment page leads back by GET, which may end a checkout only if we wrote the URL ourselves.
_LEAVING = Signer(salt="cohorts.leave-payment")


def _may_leave(leaving: str, cohort: Cohort, learner_cuid: str) -> bool:
    try:
        _LEAVING.unsign(f"{cohort.pk}:{learner_cuid}:{leaving}")
    except BadSignature:
        return False
    return True


def _page_status(refusal: DomainError) -> int:
    return refusal.status if refusal.status >= 500 else 409
