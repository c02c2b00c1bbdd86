"""Signed-in staff as callers of everything except the back office."""

from allauth.account.models import EmailAddress
from django.test import Client

from accounts.models import Workspace
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory

from .callers import MEMBERS, Caller


def staff_client(caller: Caller, *, ours: Workspace, theirs: Workspace) -> Client:
    """Return a new client of this kind. Its mailbox is confirmed as well, so it has every right a person can have."""
    user = StaffFactory(is_superuser=caller is Caller.SUPERUSER)
    EmailAddress.objects.create(user=user, email=user.email, verified=True)
    if caller in MEMBERS:
        MembershipFactory(workspace=ours, user=user, role=Role(caller.name.lower()))
    if caller is Caller.ELSEWHERE:
        MembershipFactory(workspace=theirs, user=user, role=Role.OWNER)
    client = Client()
    client.force_login(user, backend=SIGNED_IN_BY_PASSWORD)
    return client
