"""The pages on which staff add and remove passkeys."""

import json

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.browsers import end_other_sign_ins
from accounts.devices import remember_device
from accounts.models import Passkey, User
from accounts.passkeys import ANSWER_AT_MOST, add_passkey, begin_passkey, remove_passkey
from accounts.passwords import PASSED, SECOND_FACTOR, SignInPaused
from accounts.roles import workspaces_asking_for_second_factor
from accounts.second_factors import has_second_factor
from accounts.staff_pages import PasswordForm
from accounts.staff_sign_ins import name_browser
from core.clock import utc_now
from core.errors import DomainError, Invalid
from core.forms import check_texts

from ..auditing.recording import one_deed, record_of_account
from .own_account import answer, for_staff, is_their_password

# In the session: what the browser's next answer must match.
NEW_PASSKEY = "new_passkey"


class PasskeyForm(PasswordForm):
    name = forms.CharField(label="Name", max_length=60)
    answer = forms.CharField(max_length=ANSWER_AT_MOST, required=False, widget=forms.HiddenInput)
    field_order = ("name", "password")

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def add(request: HttpRequest, user: User) -> HttpResponse:
    """Create a passkey in this browser, after asking for the password once more."""
    form = PasskeyForm(
        request.POST if request.method == "POST" else None,
        initial={"name": name_browser(request.headers.get("User-Agent", ""))},
    )
    pause = None
    kept = request.session.pop(NEW_PASSKEY, None)
    if form.is_valid():
        try:
            if is_their_password(request, user, form):
                with one_deed(request):
                    codes = add_passkey(
                        user=user,
                        name=form.cleaned_data["name"],
                        answer=form.cleaned_data["answer"],
                        kept=kept,
                        now=utc_now(),
                    )
                    record_of_account(request, "Added a passkey")
                    request.session[SECOND_FACTOR] = PASSED
                    end_other_sign_ins(request, user=user)
                return _added(request, user, codes)
        except SignInPaused as refusal:
            pause = refusal
        except Invalid as refusal:
            form.add_error("answer", refusal.errors[0].detail)
        except DomainError as refusal:
            form.add_error(None, refusal.detail)
    options, request.session[NEW_PASSKEY] = begin_passkey(user)
    return answer(request, "account/staff_passkey.html", {"form": form, "passkey": json.dumps(options)}, pause)


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def remove(request: HttpRequest, user: User, passkey_id: int) -> HttpResponse:
    """Remove a passkey, after asking for the password once more."""
    passkey = Passkey.objects.filter(pk=passkey_id, factor__user=user).select_related("factor").first()
    if passkey is None:
        raise Http404("There is no such passkey.")
    form = PasswordForm(request.POST if request.method == "POST" else None)
    pause = None
    if form.is_valid():
        try:
            if is_their_password(request, user, form):
                with one_deed(request):
                    remove_passkey(user=user, passkey_id=passkey_id)
                    record_of_account(request, "Removed a passkey")
                    if not has_second_factor(user):
                        request.session.pop(SECOND_FACTOR, None)
                    end_other_sign_ins(request, user=user)
                return redirect("staff-sign-ins")
        except SignInPaused as refusal:
            pause = refusal
    context = {
        "form": form,
        "name": passkey.name,
        "is_last": not passkey.factor.secret and passkey.factor.passkeys.count() == 1,
        "asking": workspaces_asking_for_second_factor(user),
    }
    return answer(request, "account/staff_passkey_remove.html", context, pause)


def _added(request: HttpRequest, user: User, codes: list[str]) -> HttpResponse:
    """Show the recovery codes, if they are new."""
    response = (
        render(request, "account/staff_recovery_codes.html", {"codes": codes}) if codes else redirect("staff-sign-ins")
    )
    remember_device(request, response, user_id=user.pk)
    return response
