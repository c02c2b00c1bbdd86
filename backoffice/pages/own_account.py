"""What the pages about one's own account share: who may open them, and asking for the password once more."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from accounts.models import User
from accounts.passwords import SignInPaused, check_staff_password, is_signed_in_by_password
from accounts.staff_pages import PasswordForm
from core.clock import utc_now

P = ParamSpec("P")


def for_staff(
    page: Callable[Concatenate[HttpRequest, User, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Make a page for signed-in staff, with their second factor if they have one; others sign in first."""

    @never_cache
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        user = staff_signed_in(request)
        return redirect("admin:login") if user is None else page(request, user, *args, **kwargs)

    return guarded


def staff_signed_in(request: HttpRequest) -> User | None:
    """Return the person signed in as staff, by password and any second factor they have; None for everybody else."""
    user = request.user
    if isinstance(user, User) and user.is_active and user.is_staff and is_signed_in_by_password(request):
        return user
    return None


def is_their_password(request: HttpRequest, user: User, form: PasswordForm) -> bool:
    """Return whether the person using the session knows the password. Raises SignInPaused."""
    password = form.cleaned_data["password"]
    if check_staff_password(email=user.email, password=password, request=request, now=utc_now()) is not None:
        return True
    form.add_error("password", "This is not the password of your staff account.")
    return False


def answer(request: HttpRequest, template: str, context: dict[str, Any], pause: SignInPaused | None) -> HttpResponse:
    form: forms.Form = context["form"]
    if pause is not None:
        form.add_error(None, pause.detail)
        response = render(request, template, context, status=pause.status)
        response["Retry-After"] = str(pause.retry_after)
        return response
    return render(request, template, context, status=422 if form.is_bound and form.errors else 200)
