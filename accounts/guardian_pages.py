"""The page behind a guardian invitation's link: prove the invited address by a code, look, and accept."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core.clock import utc_now
from core.errors import DomainError
from core.http.mailed_links import opened_by_link

from .guardian_invitations import Acceptance, accept_guardian_invitation, children_of
from .invitation_links import InvitationOver, find_invitation
from .models import GuardianInvitation, User
from .sign_in import proven_address


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_link
def show_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show who sent the invitation; show the children only to people who have proven the invited address."""
    invitation = find_invitation(GuardianInvitation, token=token)
    if invitation is None or invitation.state(utc_now()) != "pending":
        return _is_over(request, invitation)
    user = request.user if isinstance(request.user, User) else None
    is_invited = user is not None and proven_address(user=user) == invitation.email
    refusal = ""
    status = 200
    if request.method == "POST":
        if user is None or not is_invited:
            status = 403
        else:
            try:
                accepted = accept_guardian_invitation(token=token, user=user, now=utc_now())
            except InvitationOver:
                return _is_over(request, find_invitation(GuardianInvitation, token=token))
            except DomainError as trouble:
                refusal = trouble.detail
                status = trouble.status
            else:
                messages.success(request, _told(accepted))
                return redirect("my-enrollments")
    context = {
        "invitation": invitation,
        "is_invited": is_invited,
        "is_theirs": user is not None and user.email == invitation.email,
        "children": children_of(invitation) if is_invited else [],
        "refusal": refusal,
    }
    return render(request, "account/guardian_invitation.html", context, status=status)


def _told(accepted: Acceptance) -> str:
    names = [learner.first_name for learner in accepted.learners]
    if not names:
        return _("Thank you. The children you answer for will be shown here.")
    followed = {"names": get_text_list(names, _("and"))}
    if accepted.has_joined:
        return _("You were already a guardian here with this address. You now follow %(names)s as well.") % followed
    return _("Thank you. You follow %(names)s now.") % followed


def _is_over(request: HttpRequest, invitation: GuardianInvitation | None) -> HttpResponse:
    state = invitation.state(utc_now()) if invitation else "unknown"
    context = {"invitation": invitation, "state": state}
    return render(request, "account/guardian_invitation_over.html", context, status=410 if invitation else 404)
