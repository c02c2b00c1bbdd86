"""The pages on which staff enter the code of their second factor, set one up, and change it.

Every change to how somebody signs in asks for the password once more, ends the sign-ins of other browsers, and is
recorded in the audit log of each of their workspaces.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

from accounts.browsers import end_other_sign_ins
from accounts.devices import remember_device
from accounts.models import SecondFactor, User
from accounts.passkeys import ANSWER_AT_MOST, begin_passkey_check, check_passkey
from accounts.passwords import (
    AFTER_SECOND_FACTOR,
    PASSED,
    SECOND_FACTOR,
    SignInPaused,
    has_passed_second_factor,
    is_signed_in_by_password,
    knew_password,
)
from accounts.roles import is_kept_out_without_second_factor, workspaces_asking_for_second_factor
from accounts.second_factors import (
    app_address,
    check_second_factor,
    has_second_factor,
    new_app_secret,
    remove_second_factor,
    renew_recovery_codes,
    set_app,
)
from accounts.staff_pages import PasswordForm
from accounts.staff_sign_ins import note_sign_in
from core.clock import utc_now
from core.errors import Invalid
from core.sealing import seal, unseal

from ..auditing.recording import one_deed, record_of_account
from .own_account import answer, for_staff, is_their_password

# In the session, sealed: the secret to share with the app once the first code was entered.
NEW_SECRET = "second_factor_secret"  # noqa: S105  (the name of a key)

# In the session: what a passkey's next answer must match.
ASKED_PASSKEY = "asked_passkey"


class CodeForm(forms.Form):
    """A code, or a passkey's answer."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )
    answer = forms.CharField(max_length=ANSWER_AT_MOST, required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not (cleaned.get("code") or cleaned.get("answer")):
            self.add_error("code", "Enter your code.")
        return cleaned


class AppForm(PasswordForm):
    code = forms.CharField(
        label="Code that the app shows",
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    field_order = ("code", "password")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask_for_second_factor(request: HttpRequest) -> HttpResponse:
    """Ask people who knew the password for the code, if they have a second factor and have not given it yet."""
    user = request.user
    if not (isinstance(user, User) and user.is_active and user.is_staff and knew_password(request)):
        return redirect("admin:login")
    if is_signed_in_by_password(request):
        return redirect("staff-sign-ins" if has_second_factor(user) else "staff-app")
    form = CodeForm(request.POST if request.method == "POST" else None)
    pause = None
    kept = request.session.pop(ASKED_PASSKEY, None)
    if form.is_valid():
        try:
            if _is_shown(request, user, form, kept):
                return _let_in(request, user)
        except SignInPaused as refusal:
            pause = refusal
    asked = begin_passkey_check(user)
    if asked is not None:
        request.session[ASKED_PASSKEY] = asked[1]
    context = {
        "form": form,
        "passkey": json.dumps(asked[0]) if asked is not None else "",
        "has_app": SecondFactor.objects.filter(user=user).exclude(secret="").exists(),
    }
    return answer(request, "account/staff_second_factor.html", context, pause)


def _is_shown(request: HttpRequest, user: User, form: CodeForm, kept: dict[str, Any] | None) -> bool:
    """Return whether the second factor was given. Raises SignInPaused."""
    if passkey := form.cleaned_data["answer"]:
        if check_passkey(user=user, answer=passkey, kept=kept, request=request, now=utc_now()):
            return True
        form.add_error(None, "This passkey was not accepted. Try again, or enter a code.")
        return False
    if check_second_factor(user=user, code=form.cleaned_data["code"], request=request, now=utc_now()):
        return True
    form.add_error("code", "This code is wrong, or was used already. Enter the one that the app shows now.")
    return False


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def set_up_app(request: HttpRequest, user: User) -> HttpResponse:
    """Share a secret with an app: the first one, or one on a new phone."""
    sealed = request.session.get(NEW_SECRET)
    secret = unseal(sealed) if sealed else new_app_secret()
    if sealed is None:
        request.session[NEW_SECRET] = seal(secret)
    form = AppForm(request.POST if request.method == "POST" else None)
    pause = None
    if form.is_valid():
        try:
            if is_their_password(request, user, form):
                make = partial(set_app, user=user, secret=secret, code=form.cleaned_data["code"], now=utc_now())
                return _show_codes(request, user, make, deed="Set up an authenticator app")
        except SignInPaused as refusal:
            pause = refusal
        except Invalid as refusal:
            form.add_error("code", refusal.errors[0].detail)
    context = {
        "form": form,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "picture": picture_of(app_address(user, secret)),
        "is_another": has_passed_second_factor(request),
        "is_kept_out": not has_passed_second_factor(request) and is_kept_out_without_second_factor(user),
    }
    return answer(request, "account/staff_app.html", context, pause)


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def renew_codes(request: HttpRequest, user: User) -> HttpResponse:
    """Replace the ten recovery codes."""
    return _change(
        request,
        user,
        template="account/staff_recovery_codes_new.html",
        change=lambda: _show_codes(
            request, user, partial(renew_recovery_codes, user=user), deed="Made new recovery codes"
        ),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def turn_off(request: HttpRequest, user: User) -> HttpResponse:
    """Return to signing in by password alone."""

    def change() -> HttpResponse:
        with one_deed(request):
            remove_second_factor(user_id=user.pk)
            record_of_account(request, "Turned their second factor off")
            request.session.pop(SECOND_FACTOR, None)
            end_other_sign_ins(request, user=user)
        return redirect("staff-sign-ins")

    return _change(request, user, template="account/staff_second_factor_off.html", change=change)


def _change(request: HttpRequest, user: User, *, template: str, change: Callable[[], HttpResponse]) -> HttpResponse:
    """Ask for the password, then do it."""
    if not has_passed_second_factor(request):
        return redirect("staff-sign-ins")
    form = PasswordForm(request.POST if request.method == "POST" else None)
    pause = None
    if form.is_valid():
        try:
            if is_their_password(request, user, form):
                return change()
        except SignInPaused as refusal:
            pause = refusal
    return answer(request, template, {"form": form, "asking": workspaces_asking_for_second_factor(user)}, pause)


def _show_codes(request: HttpRequest, user: User, make: Callable[[], list[str]], *, deed: str) -> HttpResponse:
    """Create recovery codes and show them, just this once. Raises what `make` raises."""
    with one_deed(request):
        codes = make()
        record_of_account(request, deed)
        request.session.pop(NEW_SECRET, None)
        request.session[SECOND_FACTOR] = PASSED
        end_other_sign_ins(request, user=user)
    response = render(request, "account/staff_recovery_codes.html", {"codes": codes})
    remember_device(request, response, user_id=user.pk)
    return response


def _let_in(request: HttpRequest, user: User) -> HttpResponse:
    """Send people to the page they wanted before they were asked."""
    wanted = request.session.pop(AFTER_SECOND_FACTOR, "")
    request.session[SECOND_FACTOR] = PASSED
    request.session.cycle_key()
    note_sign_in(request, user=user, now=utc_now())
    response = redirect(wanted or "admin:index")
    remember_device(request, response, user_id=user.pk)
    return response


def picture_of(text: str) -> dict[str, Any]:
    """Return a QR code as the path of an SVG: no image is loaded from anywhere, and the secret is in no URL."""
    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    size = code.getModuleCount()
    dark = [(x, y) for y in range(size) for x in range(size) if code.isDark(y, x)]
    return {"size": size, "path": "".join(f"M{x} {y}h1v1h-1z" for x, y in dark)}
