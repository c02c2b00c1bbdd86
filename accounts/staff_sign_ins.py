"""The browsers in which somebody is signed in, and how they are signed out (docs/decisions/0118)."""

from django.contrib.auth import update_session_auth_hash
from django.db.models import F
from django.http import HttpRequest

from .models import User


def end_all_sign_ins(*, user_id: int) -> None:
    """Sign somebody out of every browser at once: what their sessions carry no longer fits the account."""
    User.objects.filter(pk=user_id).update(session_epoch=F("session_epoch") + 1)


def end_other_sign_ins(request: HttpRequest, *, user: User) -> None:
    """Sign them out of every browser but the one of this request."""
    end_all_sign_ins(user_id=user.pk)
    user.refresh_from_db(fields=["session_epoch"])
    update_session_auth_hash(request, user)
