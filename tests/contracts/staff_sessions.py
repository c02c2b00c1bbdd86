"""Staff who signed in, as callers of what is not the back office."""

from allauth.account.models import EmailAddress
from django.test import Client

from accounts.models import Workspace
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory

from .callers import MEMBERS, Caller


def staff_client(caller: Caller, *, ours: Workspace, theirs: Workspace) -> Client:
    """A new one of this kind. The mailbox is proven to be theirs as well, so they are all that a person can be."""
    user = StaffFactory(is_superuser=caller is Caller.SUPERUSER)
    EmailAddress.objects.create(user=user, email=user.email, verified=True)
    if caller in MEMBERS:
        MembershipFactory(workspace=ours, user=user, role=Role(caller.name.lower()))
    if caller is Caller.ELSEWHERE:
        MembershipFactory(workspace=theirs, user=user, role=Role.OWNER)
    client = Client()
    client.force_login(user, backend=SIGNED_IN_BY_PASSWORD)
    return client
