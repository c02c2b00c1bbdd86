"""The page on which staff see how they sign in and in which browsers, and sign out of those."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.browsers import end_other_sign_ins
from accounts.models import Passkey, SecondFactor, User
from accounts.roles import workspaces_asking_for_second_factor
from accounts.staff_sign_ins import end_sign_in, list_sign_ins, note_use
from core.clock import utc_now
from core.errors import NotFound

from ..auditing.recording import one_deed, record_of_account
from ..display import staff_moment
from ..scoping import access_of
from .own_account import for_staff


@require_safe
@for_staff
def show_sign_ins(request: HttpRequest, user: User) -> HttpResponse:
    """Show how somebody signs in, where they are signed in, and what they can change about it."""
    factor = SecondFactor.objects.filter(user=user).first()
    zone = access_of(request).zone
    browsers = [
        {
            "sign_in": sign_in,
            "is_this_one": sign_in.session_id == request.session.session_key,
            "began": staff_moment(sign_in.began_at, zone),
            "used": staff_moment(sign_in.last_used_at, zone),
        }
        for sign_in in list_sign_ins(user=user, now=utc_now())
    ]
    asking = workspaces_asking_for_second_factor(user)
    context = {
        "factor": factor,
        "passkeys": [_told(passkey, zone) for passkey in factor.passkeys.order_by("pk")] if factor else [],
        "codes_left": len(factor.recovery_digests) if factor else 0,
        "asking": [
            {"workspace": workspace, "since": staff_moment(workspace.second_factor_from, zone)}
            for workspace in asking
            if workspace.second_factor_from is not None
        ],
        "browsers": browsers,
        "has_others": any(not browser["is_this_one"] for browser in browsers),
    }
    return render(request, "account/staff_sign_ins.html", context)


def _told(passkey: Passkey, zone: str) -> dict[str, object]:
    used = passkey.last_used_at
    return {
        "id": passkey.pk,
        "name": passkey.name,
        "added": staff_moment(passkey.created_at, zone),
        "used": staff_moment(used, zone) if used else "",
    }


@require_POST
@for_staff
def sign_out_there(request: HttpRequest, user: User, sign_in_id: int) -> HttpResponse:
    """Sign out of one browser."""
    try:
        with one_deed(request):
            end_sign_in(user_id=user.pk, sign_in_id=sign_in_id)
            record_of_account(request, "Signed out of another browser")
    except NotFound as gone:
        messages.info(request, gone.detail)
    else:
        messages.success(request, "That browser is signed out.")
    return redirect("staff-sign-ins")


@require_POST
@for_staff
def sign_out_elsewhere(request: HttpRequest, user: User) -> HttpResponse:
    """Sign out of every browser except this one."""
    with one_deed(request):
        end_other_sign_ins(request, user=user)
        record_of_account(request, "Signed out of every other browser")
    messages.success(request, "Every other browser is signed out.")
    return redirect("staff-sign-ins")


class StaffSignInMiddleware:
    """Records every few minutes that a staff browser is in use, and ends sessions that were idle for too long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        note_use(request, now=utc_now())
        return self.get_response(request)
