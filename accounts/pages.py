"""Signing in and out. allauth mails the codes; `sign_in.py` and `code_limits.py` decide who gets one and how many."""

from collections.abc import Callable

from allauth.account import views as allauth_views
from allauth.account.forms import RequestLoginCodeForm
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from core.addresses import AddressFormField
from core.clock import utc_now

from .code_limits import CodesPaused, count_code_request
from .devices import remember_device
from .family_sign_ins import note_sign_in, note_use
from .models import User
from .sign_in import find_or_open_account


class CodeRequestForm(RequestLoginCodeForm):  # type: ignore[misc]  # allauth has no types
    """An address, in its canonical spelling: allauth would treat spellings of one mailbox as two."""

    email = AddressFormField(label=_("Email"), widget=forms.EmailInput(attrs={"autocomplete": "email"}))


@method_decorator(never_cache, name="dispatch")
class RequestCodeView(allauth_views.RequestLoginCodeView):  # type: ignore[misc]  # allauth has no types
    """Ask for a code. The answer is the same for every address, so it does not reveal who has an account."""

    def get_form_class(self) -> type[CodeRequestForm]:
        return CodeRequestForm

    def form_valid(self, form: RequestLoginCodeForm) -> HttpResponse:
        email = form.cleaned_data["email"]
        try:
            count_code_request(email=email, request=self.request)
        except CodesPaused as pause:
            form.add_error(None, pause.detail)
            response: HttpResponse = self.form_invalid(form)
            response.status_code = pause.status
            response["Retry-After"] = str(pause.retry_after)
            return response
        form._user = find_or_open_account(email=email)
        answer: HttpResponse = super().form_valid(form)
        return answer


@method_decorator(never_cache, name="dispatch")
class ConfirmCodeView(allauth_views.ConfirmLoginCodeView):  # type: ignore[misc]  # allauth has no types
    """Enter the code, or request another one."""

    def _resend_form_valid(self, form: forms.Form) -> HttpResponse:
        try:
            count_code_request(email=self._process.state["email"], request=self.request)
        except CodesPaused as pause:
            messages.error(self.request, pause.detail)
            return redirect(self.passthrough_next_url(self.request.path))
        answer: HttpResponse = super()._resend_form_valid(form)
        return answer

    def _verify_form_valid(self, form: forms.Form) -> HttpResponse:
        response: HttpResponse = super()._verify_form_valid(form)
        user = self.request.user
        if isinstance(user, User):
            note_sign_in(self.request, user=user, now=utc_now())
            remember_device(self.request, response, user_id=user.pk)
        return response


class FamilySignInMiddleware:
    """Records on which day a family last used a browser."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        note_use(request, now=utc_now())
        return self.get_response(request)
