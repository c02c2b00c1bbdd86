"""Whose page it is: a person who has proven their mailbox by a code."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.models import User
from accounts.sign_in import proven_address

P = ParamSpec("P")


def for_families(
    view: Callable[Concatenate[HttpRequest, User, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Hand the view the signed-in person; ask others to sign in, and those whose address is unproven to prove it."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        user = find_family(request)
        if user is None:
            return render(request, "enrollments/unproven.html", status=403)
        return view(request, user, *args, **kwargs)

    return never_cache(login_required(guarded))


def find_family(request: HttpRequest) -> User | None:
    """The signed-in person, if their address is proven."""
    user = request.user
    return user if isinstance(user, User) and proven_address(user=user) else None
