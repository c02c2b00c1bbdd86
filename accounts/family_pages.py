"""The guard of the family pages, and its answer to people whose address is unproven."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from .families import AddressUnproven, find_family
from .models import User

P = ParamSpec("P")
Answer = TypeVar("Answer", bound=HttpResponseBase)


def for_families(
    view: Callable[Concatenate[HttpRequest, User, P], Answer],
) -> Callable[Concatenate[HttpRequest, P], Answer | HttpResponse]:
    """Pass the signed-in person to the view; ask others to sign in, and people with an unproven address to prove it."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> Answer | HttpResponse:
        user = find_family(request.user)
        if user is None:
            return ask_for_proof(request)
        return view(request, user, *args, **kwargs)

    return never_cache(login_required(guarded))


def ask_for_proof(request: HttpRequest, *, is_own: bool = True) -> HttpResponse:
    """Explain how to confirm the address: to the signed-in person, or (not `is_own`) to a person who has the secret
    calendar link of somebody else. Afterwards they return to this page, if it can be shown by GET."""
    back = request.get_full_path() if request.method in ("GET", "HEAD") else reverse("home")
    to_code = f"{reverse('account_request_login_code')}?{urlencode({'next': back})}"
    return render(
        request, "account/unproven.html", {"to_code": to_code, "is_own": is_own}, status=AddressUnproven.status
    )
