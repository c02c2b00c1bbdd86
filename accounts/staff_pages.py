"""How staff get a password: by accepting an invitation, or by a link if they have forgotten theirs."""

from django import forms
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core.addresses import AddressFormField
from core.clock import utc_now
from core.errors import DomainError, Unavailable
from core.http.mailed_links import opened_by_link

from .account_deeds import tell_deed
from .code_limits import CodesPaused, count_code_request
from .devices import remember_device
from .invitation_links import InvitationOver, find_invitation
from .invitations import accept_invitation, invited_account, must_sign_in
from .models import StaffInvitation, User
from .passwords import SIGNED_IN_BY_PASSWORD, SignInPaused, check_staff_password
from .second_factors import begin_session
from .staff_passwords import mail_password_link
from .staff_sign_ins import note_sign_in


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic when it runs
    """A password, typed twice, as strong as AUTH_PASSWORD_VALIDATORS require."""

    def __init__(self, user: User, data: object = None) -> None:
        super().__init__(user, data)
        self.fields["new_password1"].label = "Password"
        self.fields["new_password1"].help_text = ""
        self.fields["new_password2"].label = "Repeat the password"


class PasswordForm(forms.Form):
    password = forms.CharField(
        label="Your password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class EmailForm(forms.Form):
    email = AddressFormField(label="Email", widget=forms.EmailInput(attrs={"autocomplete": "email"}))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_link
def show_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join a workspace's staff: with a new password, or with one's staff password from another workspace."""
    invitation = find_invitation(StaffInvitation, token=token)
    if invitation is None or invitation.state(utc_now()) != "pending":
        return _is_over(request, invitation)
    account = invited_account(invitation)
    knows_password = must_sign_in(account)
    data = request.POST if request.method == "POST" else None
    form: forms.Form = (
        PasswordForm(data) if knows_password else NewPasswordForm(account or User(email=invitation.email), data)
    )
    wait = None
    if data is not None and form.is_valid():
        try:
            accepted = _accept(request, token, invitation, form, knows_password=knows_password)
        except SignInPaused as pause:
            wait = pause.retry_after
            form.add_error(None, pause.detail)
        except InvitationOver:
            return _is_over(request, find_invitation(StaffInvitation, token=token))
        except DomainError as refusal:
            form.add_error(None, refusal.detail)
        else:
            if accepted is not None:
                return accepted
            form.add_error("password", "This is not the password of your staff account.")
    context = {"invitation": invitation, "form": form, "knows_password": knows_password}
    response = render(request, "account/invitation.html", context, status=_status(form, wait))
    if wait is not None:
        response["Retry-After"] = str(wait)
    return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask_for_password(request: HttpRequest) -> HttpResponse:
    """Mail a link to set a new password. The answer is the same for every address."""
    form = EmailForm(request.POST if request.method == "POST" else None)
    pause: CodesPaused | None = None
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            count_code_request(email=form.cleaned_data["email"], request=request)
            mail_password_link(email=form.cleaned_data["email"])
        except CodesPaused as refusal:
            pause = refusal
            status = refusal.status
            form.add_error(None, refusal.detail)
        except Unavailable as down:
            form.add_error(None, down.detail)
            status = down.status
        else:
            return render(request, "account/staff_password_sent.html", {"email": form.cleaned_data["email"]})
    response = render(request, "account/staff_password_forgotten.html", {"form": form}, status=status)
    if pause is not None:
        response["Retry-After"] = str(pause.retry_after)
    return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_link
def set_password(request: HttpRequest, token: str, user_id: int) -> HttpResponse:
    """Set a password from that link: it works for an hour and until the password has changed."""
    user = User.objects.filter(pk=user_id, is_active=True, is_staff=True, is_superuser=False).first()
    if user is None or not default_token_generator.check_token(user, token):
        return render(request, "account/staff_password_over.html", status=410)
    form = NewPasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            return _let_in(request, user, "Set a new password with the mailed link")
    return render(request, "account/staff_password_new.html", {"form": form}, status=_status(form, None))


def _accept(
    request: HttpRequest, token: str, invitation: StaffInvitation, form: forms.Form, *, knows_password: bool
) -> HttpResponse | None:
    """Make the person a member and sign them in; None if the password is not theirs."""
    now = utc_now()
    new_password = None if knows_password else form.cleaned_data["new_password1"]
    if knows_password:
        password = form.cleaned_data["password"]
        if check_staff_password(email=invitation.email, password=password, request=request, now=now) is None:
            return None
    with transaction.atomic():
        user = accept_invitation(token=token, new_password=new_password, now=now)
        return _let_in(request, user, "Accepted the invitation")


def _let_in(request: HttpRequest, user: User, deed: str) -> HttpResponse:
    login(request, user, backend=SIGNED_IN_BY_PASSWORD)
    tell_deed(request, deed)
    request.session.cycle_key()
    if begin_session(request.session, user):
        return redirect("staff-second-factor")
    note_sign_in(request, user=user, now=utc_now())
    response = redirect("admin:index")
    remember_device(request, response, user_id=user.pk)
    return response


def _is_over(request: HttpRequest, invitation: StaffInvitation | None) -> HttpResponse:
    state = invitation.state(utc_now()) if invitation else "unknown"
    context = {"invitation": invitation, "state": "switched_off" if state == "pending" else state}
    return render(request, "account/invitation_over.html", context, status=410 if invitation else 404)


def _status(form: forms.Form, wait: int | None) -> int:
    if wait is not None:
        return 429
    return 422 if form.is_bound and form.errors else 200
