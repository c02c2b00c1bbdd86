"""The page on which a family answers a reviewer's question, without signing in.

Opening it changes nothing, since scanners of mails open every link; mails are forwarded, so it names no learner.
"""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core.clock import utc_now
from core.errors import DomainError, NotFound
from core.forms import check_texts
from core.http.mailed_links import opened_by_link

from .models import Inquiry
from .review.inquiries import ANSWER_LENGTH, answer_inquiry
from .review.links import find_linked_inquiry
from .states import EligibilityStatus, InquiryStatus


class AnswerForm(forms.Form):
    answer = forms.CharField(
        label=_("Your answer"),
        max_length=ANSWER_LENGTH,
        widget=forms.Textarea(attrs={"rows": 8}),
        error_messages={"required": _("Write an answer.")},
    )

    def clean(self) -> dict[str, str]:
        cleaned: dict[str, str] = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_link
def show_inquiry(request: HttpRequest, token: str) -> HttpResponse:
    """Show the question, record the answer, and show it."""
    try:
        inquiry = find_linked_inquiry(token)
    except NotFound:
        return render(request, "enrollments/inquiry_unknown.html", status=404)
    if request.method != "POST":
        return _show(request, inquiry, AnswerForm())
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _show(request, inquiry, form, status=422)
    try:
        answer_inquiry(inquiry_id=inquiry.pk, answer=form.cleaned_data["answer"], now=utc_now())
    except DomainError as refusal:
        return _show(request, find_linked_inquiry(token), form, status=refusal.status)
    return redirect(request.path)


def _show(request: HttpRequest, inquiry: Inquiry, form: AnswerForm, *, status: int = 200) -> HttpResponse:
    waits = inquiry.enrollment.eligibility_status == EligibilityStatus.SUBMITTED
    context = {
        "inquiry": inquiry,
        "instance": inquiry.enrollment.instance,
        "workspace": inquiry.enrollment.workspace,
        "form": form,
        "is_answered": inquiry.status == InquiryStatus.ANSWERED,
        "is_open": waits and inquiry.status == InquiryStatus.OPEN,
    }
    return render(request, "enrollments/inquiry.html", context, status=status)
