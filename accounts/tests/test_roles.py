import itertools

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import Workspace
from accounts.roles import POWERS, Power, get_staff_access
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, UserFactory, WorkspaceFactory


class TestPowers:
    def test_grow_with_the_role(self) -> None:
        ordered = [POWERS[role] for role in (Role.VIEWER, Role.REVIEWER, Role.ADMIN, Role.OWNER)]

        assert [len(powers) for powers in ordered] == [1, 2, 3, 4]
        assert all(lower < higher for lower, higher in itertools.pairwise(ordered))

    def test_of_the_platform_belong_to_no_role(self) -> None:
        assert not any(Power.OPERATE in powers for powers in POWERS.values())


@pytest.mark.django_db
class TestStaffAccess:
    def test_holds_where_somebody_is_a_member(self) -> None:
        membership = MembershipFactory(role=Role.REVIEWER)
        elsewhere = WorkspaceFactory()

        access = get_staff_access(membership.user)

        assert access.may(Power.DECIDE, membership.workspace_id)
        assert not access.may(Power.MANAGE, membership.workspace_id)
        assert not access.may(Power.VIEW, elsewhere.pk)
        assert not access.may(Power.VIEW, None)

    def test_differs_by_workspace(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)
        viewer = MembershipFactory(role=Role.VIEWER, user=owner.user)

        access = get_staff_access(owner.user)

        rows = access.limit(Workspace.objects.all(), path="id", power=Power.GOVERN)
        assert list(rows) == [owner.workspace]
        assert access.may(Power.VIEW, viewer.workspace_id)
        assert not access.may(Power.GOVERN, viewer.workspace_id)

    def test_of_a_superuser_holds_everywhere(self) -> None:
        WorkspaceFactory()

        access = get_staff_access(StaffFactory(is_superuser=True))

        assert access.may(Power.OPERATE, None)
        assert access.limit(Workspace.objects.all(), path="id", power=Power.VIEW).count() == 1

    @pytest.mark.parametrize("lost", ["is_staff", "is_active"])
    def test_ends_with_the_account(self, lost: str) -> None:
        membership = MembershipFactory(role=Role.OWNER)
        setattr(membership.user, lost, False)

        access = get_staff_access(membership.user)

        assert not access.may_anywhere(Power.VIEW)
        assert not access.limit(Workspace.objects.all(), path="id", power=Power.VIEW).exists()

    def test_is_nobodys_for_visitors(self) -> None:
        assert not get_staff_access(AnonymousUser()).may_anywhere(Power.VIEW)
        assert not get_staff_access(UserFactory()).may_anywhere(Power.VIEW)
