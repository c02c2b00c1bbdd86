"""People, workspaces, and keys for every app's tests."""

from collections.abc import Iterable

import factory
from allauth.account.models import EmailAddress

from accounts.api_keys import create_api_key
from accounts.models import ConsentText, Guardian, Guardianship, Lead, Learner, Membership, User, Workspace
from accounts.sign_in import find_or_open_account
from accounts.states import Role, Scope
from core.clock import utc_now
from core.tests.factories import RowFactory


class WorkspaceFactory(RowFactory[Workspace]):
    class Meta:
        model = Workspace

    slug = factory.Sequence(lambda n: f"workspace-{n}")
    name = factory.LazyAttribute(lambda o: o.slug.replace("-", " ").title())


class UserFactory(RowFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.test")
    first_name = "Uma"
    last_name = factory.Sequence(lambda n: f"User{n}")


class StaffFactory(UserFactory):
    """A user who may sign in to the back office; give them a MembershipFactory to see a workspace."""

    is_staff = True


class MembershipFactory(RowFactory[Membership]):
    class Meta:
        model = Membership

    workspace = factory.SubFactory(WorkspaceFactory)
    user = factory.SubFactory(StaffFactory)
    role = Role.ADMIN


class LearnerFactory(RowFactory[Learner]):
    class Meta:
        model = Learner

    workspace = factory.SubFactory(WorkspaceFactory)
    first_name = "Jane"
    last_name = factory.Sequence(lambda n: f"Doe{n}")
    email = factory.Sequence(lambda n: f"learner{n}@example.test")


class LeadFactory(RowFactory[Lead]):
    class Meta:
        model = Lead

    workspace = factory.SubFactory(WorkspaceFactory)
    first_name = "Lee"
    last_name = factory.Sequence(lambda n: f"Prospect{n}")
    email = factory.Sequence(lambda n: f"lead{n}@example.test")


class GuardianFactory(RowFactory[Guardian]):
    class Meta:
        model = Guardian

    workspace = factory.SubFactory(WorkspaceFactory)
    external_id = factory.Sequence(lambda n: f"guardian-{n}")
    email = factory.Sequence(lambda n: f"guardian{n}@example.test")
    first_name = "Gail"
    last_name = factory.Sequence(lambda n: f"Guardian{n}")


class GuardianshipFactory(RowFactory[Guardianship]):
    class Meta:
        model = Guardianship

    guardian = factory.SubFactory(GuardianFactory)
    learner = factory.SubFactory(LearnerFactory, workspace=factory.SelfAttribute("..guardian.workspace"))


def proven_user(email: str) -> User:
    """Return somebody who has entered the code that was mailed to this address."""
    user = find_or_open_account(email=email)
    assert user is not None
    EmailAddress.objects.filter(user=user).update(verified=True)
    return user


def forget_proof(user: User) -> None:
    """Make their address unproven again."""
    EmailAddress.objects.filter(user=user).update(verified=False)


def api_key_text(*, workspace: Workspace, scopes: Iterable[str] = Scope.values) -> str:
    """Return the text of a new key to the workspace, with every scope unless told otherwise."""
    return create_api_key(workspace_id=workspace.pk, name="Tests", scopes=scopes, now=utc_now())[1]


def bearer(*, workspace: Workspace, scopes: Iterable[str] = Scope.values) -> dict[str, str]:
    """Return headers for Django's or DRF's test client: `client.get(url, headers=bearer(workspace=w))`."""
    return {"Authorization": f"Bearer {api_key_text(workspace=workspace, scopes=scopes)}"}


class ConsentTextFactory(RowFactory[ConsentText]):
    class Meta:
        model = ConsentText

    workspace = factory.SubFactory(WorkspaceFactory)
    purpose = "records"
    version = 1
    title = factory.LazyAttribute(lambda text: text.purpose.capitalize())
    text = "May we keep records?"
    is_required = True
    from_at = factory.LazyFunction(utc_now)
    published_by = "system"
