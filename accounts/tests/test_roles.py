import itertools

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import Workspace
from accounts.permissions import permission_of
from accounts.roles import POWERS, Power, get_staff_access, list_roles_from
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, UserFactory, WorkspaceFactory


class TestPowers:
    @pytest.mark.parametrize("beside", [Role.REVIEWER, Role.FINANCE])
    def test_grow_with_the_role(self, beside: Role) -> None:
        ordered = [POWERS[role] for role in (Role.VIEWER, beside, Role.ADMIN, Role.OWNER)]

        assert [len(powers) for powers in ordered] == [1, 3, 5, 6]
        assert all(lower < higher for lower, higher in itertools.pairwise(ordered))

    def test_part_those_who_decide_from_those_who_move_money(self) -> None:
        held = POWERS[Role.REVIEWER] ^ POWERS[Role.FINANCE]

        assert held == {Power.DECIDE, Power.MONEY}
        assert list_roles_from(Role.FINANCE) == [Role.FINANCE, Role.ADMIN, Role.OWNER]

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


@pytest.mark.django_db
class TestPermissions:
    @pytest.mark.parametrize("role", Role)
    def test_of_django_are_the_powers_of_the_role(self, role: Role) -> None:
        membership = MembershipFactory(role=role)
        elsewhere = WorkspaceFactory()

        given = {power: membership.user.has_perm(permission_of(power), membership.workspace) for power in Power}

        assert given == {power: power in POWERS[role] for power in Power}
        assert not any(membership.user.has_perm(permission_of(power), elsewhere) for power in Power)
        assert not any(membership.user.has_perm(permission_of(power)) for power in Power)

    def test_of_other_names_are_not_given(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)

        assert not owner.user.has_perm("accounts.view_user", owner.workspace)
        assert not owner.user.has_perm(permission_of(Power.VIEW), owner)

    @pytest.mark.parametrize("lost", ["is_staff", "is_active"])
    def test_end_with_the_account(self, lost: str) -> None:
        membership = MembershipFactory(role=Role.OWNER)
        setattr(membership.user, lost, False)

        assert not membership.user.has_perm(permission_of(Power.VIEW), membership.workspace)
