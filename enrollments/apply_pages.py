"""The public form of an instance, and the page behind the link that it mails.

Visitors get the same response whatever the workspace knows about the address. The link may be opened by a mail scanner,
or by the reader of a mistyped address: opening it changes nothing and names nobody; only its buttons act.
"""

import datetime as dt
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.consents import list_asked as list_texts
from accounts.family_pages import for_families
from accounts.models import User
from accounts.roles import Power
from backoffice.scoping import access_of
from billing.discounts import refuse_guessing
from billing.errors import TooManyCodes, VoucherNotAccepted, VoucherTooLate
from core.clock import utc_now
from core.counters import count_in_database
from core.errors import DomainError
from core.http.client_address import client_network
from core.http.mailed_links import opened_by_link

from .application.confirm import confirm_application
from .application.opening import find_form, form_state
from .application.payment import open_payment_page
from .application.questions import list_asked
from .application.receive import (
    count_content,
    discard_application,
    find_application,
    mail_link,
    receive_application,
    renew_link,
)
from .apply_forms import ApplyForm, VoucherForm
from .cards import TONES
from .errors import AlreadyEnrolled, ApplicationOver, ApplicationsClosed, InstanceFull
from .family.standing import FamilyView, Standing, view_latest
from .models import Application, ProgramInstance
from .states import UNPAID, FormState

log = structlog.get_logger(__name__)

HOUR = 60 * 60
CONFIRM = "confirm"
DISCARD = "discard"
DISCARD_FOR_GOOD = "discard_for_good"  # any other value from the page requests the payment page


class FormsPaused(DomainError):
    status = 429
    code = "forms_paused"
    title = gettext_noop("Many applications were sent from your network. Try again in an hour")

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__()


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def apply(request: HttpRequest, code: str, cuid: str) -> HttpResponse:
    """Show the form and receive it. Staff of the workspace also see a closed form, but can't send it."""
    instance = _form_or_404(code, cuid)
    state = form_state(instance, now=utc_now())
    is_preview = state == FormState.OFF and access_of(request).may(Power.VIEW, instance.workspace_id)
    if state != FormState.OPEN and not is_preview:
        return _closed(request, instance, state)
    questions = list_asked(instance_id=instance.pk)
    texts = list_texts(workspace_id=instance.workspace_id, now=utc_now())
    if request.method != "POST" or is_preview:
        return _ask(request, instance, ApplyForm(questions=questions, texts=texts), is_preview=is_preview)
    form = ApplyForm(request.POST, request.FILES, questions=questions, texts=texts)
    try:
        _count(request)
        if not form.is_valid():
            return _ask(request, instance, form, status=422)
        if not form.is_by_a_program:
            _receive(instance, form, now=utc_now())
    except (ApplicationsClosed, InstanceFull):
        return _closed(request, instance, form_state(instance, now=utc_now()))
    except DomainError as refusal:
        return _ask(request, instance, form, refusal=refusal, status=refusal.status)
    messages.info(request, _("We mailed a link to %(address)s.") % {"address": form.cleaned_data["email"]})
    return redirect("apply-sent", code=code, cuid=cuid)


@never_cache
@require_safe
def show_sent(request: HttpRequest, code: str, cuid: str) -> HttpResponse:
    """Say what to do next; the page is the same for everybody who sent the form."""
    return render(request, "enrollments/apply_sent.html", {"instance": _form_or_404(code, cuid)})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_link
def show_application(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm an application, or report that it was not yours; afterwards, show its state and what is left to pay."""
    application = find_application(token=token)
    if application is None or (application.enrollment and application.enrollment.deleted_at):
        return _over(request, application)
    if request.method == "POST":
        return _act(request, application, token)
    if application.confirmed_at is None:
        return _ask_to_confirm(request, application)
    return _show_standing(request, application)


@require_POST
@for_families
def confirm_here(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Redirect a user who is signed in with the application's address to the page that confirms it: signing in with a
    code has proven what the link would. The mailed link stops working.
    """
    application = Application.objects.filter(cuid=cuid, email=user.email).first()
    if application is None:
        raise Http404
    try:
        _application, token = renew_link(application_id=application.pk, now=utc_now())
    except DomainError as refusal:
        messages.info(request, refusal.detail)
        return redirect("my-enrollments")
    return redirect("application", token=token)


def _act(request: HttpRequest, application: Application, token: str) -> HttpResponse:
    wanted = request.POST.get("do")
    if wanted == DISCARD:
        return _ask_to_discard(request, application)
    try:
        if wanted == DISCARD_FOR_GOOD:
            discard_application(token=token)
            return render(request, "enrollments/application_discarded.html", {"instance": application.instance})
        if wanted == CONFIRM:
            application = confirm_application(token=token, now=utc_now())
    except ApplicationOver:
        return _over(request, application)
    except AlreadyEnrolled as found:
        if found.enrollment_id is None:
            return _ask_to_confirm(request, application, refusal=found)
        return _show_earlier(request, application, found.enrollment_id)
    except DomainError as refusal:
        return _ask_to_confirm(request, application, refusal=refusal)
    if application.confirmed_at is None:
        return redirect(request.path)
    return _open_payment(request, application)


def _open_payment(request: HttpRequest, application: Application) -> HttpResponse:
    """Prepare the payment page if one is needed. The application stands whether or not that works."""
    if application.enrollment is None or application.enrollment.payment_status not in UNPAID:
        return redirect(request.path)
    form = VoucherForm(request.POST)
    if not form.is_valid():
        return _show_standing(request, application, form=form, status=422)
    voucher = form.cleaned_data["voucher"]
    try:
        with refuse_guessing(request, principal=f"application:{application.pk}", code=voucher):
            open_payment_page(application=application, voucher=voucher, now=utc_now())
    except VoucherTooLate as refusal:
        form.add_error("voucher", _("A payment page without this code is open. Pay there, or wait until it is over."))
        return _show_standing(request, application, form=form, status=refusal.status)
    except (VoucherNotAccepted, TooManyCodes) as refusal:
        form.add_error("voucher", refusal.detail)
        return _show_standing(request, application, form=form, status=refusal.status)
    except DomainError as refusal:
        log.warning("payment_page_not_opened", application=application.pk, code=refusal.code)
        return _show_standing(request, application, form=form, refusal=refusal, status=refusal.status)
    return redirect(request.path)


def _form_or_404(code: str, cuid: str) -> ProgramInstance:
    instance = find_form(code=code, cuid=cuid)
    if instance is None:
        raise Http404
    return instance


def _count(request: HttpRequest) -> None:
    """Raise FormsPaused if one network sends more forms than the people there would fill in."""
    number, starts_anew = count_in_database(f"applications:from:{client_network(request)}", seconds=HOUR)
    if number > settings.APPLICATIONS_PER_NETWORK:
        raise FormsPaused(starts_anew)


def _receive(instance: ProgramInstance, form: ApplyForm, *, now: dt.datetime) -> None:
    application, token = receive_application(
        instance_id=instance.pk, submission=form.cleaned_data["submission"], filled=form.filled(), now=now
    )
    if token:
        mail_link(application=application, token=token, now=now)


def _ask(
    request: HttpRequest,
    instance: ProgramInstance,
    form: ApplyForm,
    *,
    is_preview: bool = False,
    refusal: DomainError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {"instance": instance, "form": form, "is_preview": is_preview, "refusal": refusal}
    return _answer(request, "apply", context, refusal, status)


def _closed(request: HttpRequest, instance: ProgramInstance, state: FormState) -> HttpResponse:
    status = 409 if request.method == "POST" else 200
    return render(request, "enrollments/apply_closed.html", {"instance": instance, "state": state}, status=status)


def _ask_to_confirm(
    request: HttpRequest, application: Application, *, refusal: DomainError | None = None
) -> HttpResponse:
    now = utc_now()
    if application.state(now) == "expired":
        return _over(request, application)
    state = form_state(application.instance, now=now)
    context = {
        "application": application,
        "instance": application.instance,
        "state": state,
        "refusal": refusal,
        "form": VoucherForm(),
    }
    return _answer(request, "application_confirm", context, refusal, refusal.status if refusal else 200)


def _ask_to_discard(request: HttpRequest, application: Application) -> HttpResponse:
    """Show how much would be deleted before deleting anything, without naming anybody."""
    if application.state(utc_now()) != "waiting":
        return _over(request, application)
    answers, files = count_content(application)
    context = {"instance": application.instance, "answers": answers, "files": files}
    return render(request, "enrollments/application_discard.html", context)


def _over(request: HttpRequest, application: Application | None) -> HttpResponse:
    """Show the page for a link that expired, or whose application no longer exists."""
    instance = application.instance if application else None
    context = {"instance": instance}
    return render(request, "enrollments/application_over.html", context, status=410 if application else 404)


def _show_standing(
    request: HttpRequest,
    application: Application,
    *,
    form: VoucherForm | None = None,
    refusal: DomainError | None = None,
    status: int = 200,
) -> HttpResponse:
    view = view_latest(cuid=application.enrollment.cuid if application.enrollment else "", now=utc_now())
    can_pay = view.enrollment.payment_status in UNPAID
    context = _context(view) | {"refusal": refusal, "can_pay": can_pay, "form": form or VoucherForm()}
    return _answer(request, "application", context, refusal, status)


def _show_earlier(request: HttpRequest, application: Application, enrollment_cuid: str) -> HttpResponse:
    """Show where the learner's existing enrollment stands."""
    context = _context(view_latest(cuid=enrollment_cuid, now=utc_now())) | {"is_earlier": True}
    return render(request, "enrollments/application.html", context, status=409)


def _context(view: FamilyView) -> dict[str, Any]:
    return {
        "view": view,
        "instance": view.enrollment.instance,
        "tone": TONES[view.standing],
        "is_refused": view.standing in (Standing.NOT_ELIGIBLE, Standing.NOT_ACCEPTED),
    }


def _answer(
    request: HttpRequest, template: str, context: dict[str, Any], refusal: DomainError | None, status: int
) -> HttpResponse:
    response = render(request, f"enrollments/{template}.html", context, status=status)
    wait = getattr(refusal, "retry_after", None)
    if wait is not None:
        response["Retry-After"] = str(wait)
    return response
