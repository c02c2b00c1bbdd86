"""The entrance to the back office: staff only, signed in with their password."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import ValidationError
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from accounts.devices import remember_device
from accounts.models import User
from accounts.passwords import (
    AFTER_SECOND_FACTOR,
    SIGNED_IN_BY_PASSWORD,
    SignInPaused,
    check_staff_password,
    has_passed_second_factor,
    is_signed_in_by_password,
    knew_password,
)
from accounts.roles import Power, is_kept_out_without_second_factor, workspaces_asking_for_second_factor
from accounts.second_factors import begin_session
from accounts.staff_sign_ins import note_sign_in
from core.clock import utc_now
from core.errors import require
from core.numbers import parse_whole_number

from .auditing.recording import one_deed, record_of_account
from .display import moment
from .scoping import access_of, staff_of


class StaffSignInForm(AuthenticationForm):
    """Email and password, checked as often as `passwords.py` allows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.retry_after: int | None = None

    def clean(self) -> dict[str, Any]:
        email = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if email and password:
            self.user_cache = self._check(email, password)
        return dict(self.cleaned_data)

    def _check(self, email: str, password: str) -> User:
        request = require(self.request, "the sign-in page hands its form the request")
        try:
            user = check_staff_password(email=email, password=password, request=request, now=utc_now())
        except SignInPaused as pause:
            self.retry_after = pause.retry_after
            raise ValidationError(pause.detail, code=pause.code) from pause
        if user is None:
            raise self.get_invalid_login_error()
        user.backend = SIGNED_IN_BY_PASSWORD  # read by django.contrib.auth.login
        return user


class BackOfficeSite(UnfoldAdminSite):
    """Admits staff, and only with a session opened by password: a parent who is staff elsewhere has both kinds."""

    login_form = StaffSignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and is_signed_in_by_password(request) and not _is_kept_out(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        had_session = request.user.is_authenticated
        response = super().login(request, extra_context)
        if isinstance(response, TemplateResponse) and (context := response.context_data):
            if wait := context["form"].retry_after:
                response.status_code = 429
                response["Retry-After"] = str(wait)
        elif request.method == "POST" and isinstance(request.user, User):
            if had_session:  # a family's session: Django keeps its key when the same person signs in again
                request.session.cycle_key()
            if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
                response["Location"] = reverse(
                    "admin:index"
                )  # unfold's form does not pass it on; otherwise people would land on the family page
            if begin_session(request.session, request.user):
                request.session[AFTER_SECOND_FACTOR] = response["Location"]
                return HttpResponseRedirect(reverse("staff-second-factor"))
            note_sign_in(request, user=request.user, now=utc_now())
            remember_device(request, response, user_id=request.user.pk)
        if knew_password(request) and (not is_signed_in_by_password(request) or _is_kept_out(request)):
            kept_out = HttpResponseRedirect(reverse("staff-second-factor"))
            kept_out.cookies.update(response.cookies)
            return kept_out
        if request.method == "POST" and response.status_code == 302 and isinstance(request.user, User):
            _tell_of_second_factor(request, request.user)
        return response

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Build the list only when it is read: every page receives it, and hardly any shows it."""
        found: list[dict[str, Any]] = SimpleLazyObject(
            lambda: super(BackOfficeSite, self).get_app_list(request, app_label)
        )  # type: ignore[assignment]
        return found

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Change one's own password, together with its audit log entry or not at all."""
        user = staff_of(request)
        before = user.password
        with one_deed(request):
            response = super().password_change(request, extra_context)
            if user.password != before:
                record_of_account(request, "Changed their password")
        return response

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Search. Unfold accepts any page number in the URL, even one that does not exist."""
        if parse_whole_number(request.GET.get("page", "1"), lowest=1) is None:
            raise Http404("A page is a whole number from 1.")
        try:
            return super().search(request, extra_context)
        except InvalidPage as error:
            raise Http404("There is no such page.") from error


def _is_kept_out(request: HttpRequest) -> bool:
    """Return whether a second factor has to be set up before the back office shows anything at all."""
    if has_passed_second_factor(request) or access_of(request).may_anywhere(Power.VIEW):
        return False
    return isinstance(request.user, User) and is_kept_out_without_second_factor(request.user)


def _tell_of_second_factor(request: HttpRequest, user: User) -> None:
    """Tell people without a second factor from when on one of their workspaces requires it."""
    for workspace in workspaces_asking_for_second_factor(user):
        since = workspace.second_factor_from
        is_closed = since is not None and since <= utc_now()
        told = (
            "{} shows nothing to people without a second factor."
            if is_closed
            else "From {1} on, {0} shows nothing to people without a second factor."
        )
        asks = format_html(told, workspace, moment(since))
        page = reverse("staff-second-factor")
        messages.warning(
            request, format_html('{} <a class="text-link in-sentence" href="{}">Set one up.</a>', asks, page)
        )
