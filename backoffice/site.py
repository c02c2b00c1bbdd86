"""The door of the back office: staff, signed in with their password."""

from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import ValidationError
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from accounts.devices import remember_device
from accounts.models import User
from accounts.passwords import SIGNED_IN_BY_PASSWORD, SignInPaused, check_staff_password, is_signed_in_by_password
from core.clock import utc_now
from core.errors import require
from core.numbers import parse_whole_number


class StaffSignInForm(AuthenticationForm):
    """Email and password, looked at as often as `passwords.py` allows."""

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
    """Lets staff in, and only with a session opened by password: a parent who is staff elsewhere has both kinds."""

    login_form = StaffSignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and is_signed_in_by_password(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        had_session = request.user.is_authenticated
        response = super().login(request, extra_context)
        if isinstance(response, TemplateResponse) and (context := response.context_data):
            if wait := context["form"].retry_after:
                response.status_code = 429
                response["Retry-After"] = str(wait)
        elif request.method == "POST" and isinstance(request.user, User):
            if had_session:  # of a family: Django keeps the session's name when the same person signs in again
                request.session.cycle_key()
            if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
                response["Location"] = reverse(
                    "admin:index"
                )  # unfold's form does not carry it; families' page otherwise
            remember_device(request, response, user_id=request.user.pk)
        return response

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Unfold takes whatever stands in the address for a page that there is."""
        if parse_whole_number(request.GET.get("page", "1"), lowest=1) is None:
            raise Http404("A page is a whole number from 1.")
        try:
            return super().search(request, extra_context)
        except InvalidPage as error:
            raise Http404("There is no such page.") from error
