import pytest

from accounts.memberships import LastOwner, change_role, remove_member
from accounts.models import Membership
from accounts.states import Role
from accounts.tests.factories import MembershipFactory
from core.clock import utc_now

pytestmark = pytest.mark.django_db


class TestChangeRole:
    def test_gives_another_role(self) -> None:
        membership = MembershipFactory(role=Role.VIEWER)

        changed = change_role(membership_id=membership.pk, role=Role.ADMIN, now=utc_now())

        assert changed.role == Role.ADMIN

    def test_keeps_the_last_owner(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)
        MembershipFactory(role=Role.OWNER)  # of another workspace

        with pytest.raises(LastOwner):
            change_role(membership_id=owner.pk, role=Role.ADMIN, now=utc_now())

        owner.refresh_from_db()
        assert owner.role == Role.OWNER

    def test_lets_one_of_two_owners_step_back(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)
        MembershipFactory(role=Role.OWNER, workspace=owner.workspace)

        change_role(membership_id=owner.pk, role=Role.VIEWER, now=utc_now())

        owner.refresh_from_db()
        assert owner.role == Role.VIEWER


class TestRemoveMember:
    def test_takes_the_back_office_away_from_somebody_without_any_workspace_left(self) -> None:
        membership = MembershipFactory(role=Role.ADMIN)

        user = remove_member(membership_id=membership.pk, now=utc_now())

        assert not user.is_staff
        assert not Membership.objects.filter(pk=membership.pk).exists()

    def test_leaves_staff_of_another_workspace_in(self) -> None:
        membership = MembershipFactory(role=Role.ADMIN)
        MembershipFactory(user=membership.user)

        user = remove_member(membership_id=membership.pk, now=utc_now())

        assert user.is_staff

    def test_keeps_the_last_owner(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)

        with pytest.raises(LastOwner):
            remove_member(membership_id=owner.pk, now=utc_now())

        assert Membership.objects.filter(pk=owner.pk).exists()
