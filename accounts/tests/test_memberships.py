import pytest

from accounts.memberships import AlreadyMember, LastOwner, add_member, change_role, remove_member
from accounts.models import Membership, User
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, UserFactory, WorkspaceFactory
from enrollment_project.core.errors import Invalid, NotFound

pytestmark = pytest.mark.django_db


class TestAddMember:
    def test_makes_an_account_without_a_password_for_an_unknown_address(self) -> None:
        workspace = WorkspaceFactory()

        membership = add_member(workspace_id=workspace.pk, email="New@District.test", role=Role.REVIEWER)

        assert membership.user.email == "new@district.test"
        assert membership.user.is_staff
        assert not membership.user.has_usable_password()
        assert membership.role == Role.REVIEWER

    def test_lets_somebody_known_into_the_back_office(self) -> None:
        user = UserFactory(is_staff=False)
        workspace = WorkspaceFactory()

        add_member(workspace_id=workspace.pk, email=user.email, role=Role.VIEWER)

        user.refresh_from_db()
        assert user.is_staff
        assert not user.is_superuser

    def test_refuses_somebody_who_is_a_member(self) -> None:
        membership = MembershipFactory(role=Role.VIEWER)

        with pytest.raises(AlreadyMember):
            add_member(workspace_id=membership.workspace_id, email=membership.user.email, role=Role.OWNER)

        membership.refresh_from_db()
        assert membership.role == Role.VIEWER

    def test_refuses_an_unknown_role(self) -> None:
        workspace = WorkspaceFactory()

        with pytest.raises(Invalid, match="role"):
            add_member(workspace_id=workspace.pk, email="new@district.test", role="king")

        assert not User.objects.filter(email="new@district.test").exists()

    def test_refuses_an_unknown_workspace(self) -> None:
        with pytest.raises(NotFound):
            add_member(workspace_id=999, email="new@district.test", role=Role.VIEWER)

        assert not User.objects.exists()


class TestChangeRole:
    def test_gives_another_role(self) -> None:
        membership = MembershipFactory(role=Role.VIEWER)

        changed = change_role(membership_id=membership.pk, role=Role.ADMIN)

        assert changed.role == Role.ADMIN

    def test_keeps_the_last_owner(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)
        MembershipFactory(role=Role.OWNER)  # of another workspace

        with pytest.raises(LastOwner):
            change_role(membership_id=owner.pk, role=Role.ADMIN)

        owner.refresh_from_db()
        assert owner.role == Role.OWNER

    def test_lets_one_of_two_owners_step_back(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)
        MembershipFactory(role=Role.OWNER, workspace=owner.workspace)

        change_role(membership_id=owner.pk, role=Role.VIEWER)

        owner.refresh_from_db()
        assert owner.role == Role.VIEWER


class TestRemoveMember:
    def test_takes_the_back_office_away_from_somebody_without_any_workspace_left(self) -> None:
        membership = MembershipFactory(role=Role.ADMIN)

        user = remove_member(membership_id=membership.pk)

        assert not user.is_staff
        assert not Membership.objects.filter(pk=membership.pk).exists()

    def test_leaves_staff_of_another_workspace_in(self) -> None:
        membership = MembershipFactory(role=Role.ADMIN)
        MembershipFactory(user=membership.user)

        user = remove_member(membership_id=membership.pk)

        assert user.is_staff

    def test_keeps_the_last_owner(self) -> None:
        owner = MembershipFactory(role=Role.OWNER)

        with pytest.raises(LastOwner):
            remove_member(membership_id=owner.pk)

        assert Membership.objects.filter(pk=owner.pk).exists()
