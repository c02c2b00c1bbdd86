"""What the journeys need to exist: a workspace with two programs, a district, and a staff member."""

from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, WorkspaceFactory, api_key_text
from billing.models import Price
from enrollments.models import Program
from enrollments.states import ReviewMode
from enrollments.tests.factories import DistrictFactory, InstanceFactory, seats


def build() -> dict[str, str]:
    """Create it; return the workspace's API key, its programs' ids, and the staff member's address."""
    workspace = WorkspaceFactory(slug="riverbend", name="Riverbend Learning")
    robotics = Program.objects.create(workspace=workspace, code="ROBOTICS", title="Robotics Foundations")
    math = Program.objects.create(workspace=workspace, code="MATH", title="Math Circles")
    price = Price.objects.create(workspace=workspace, name="Tuition", amount_minor=14900)
    automatic = InstanceFactory(workspace=workspace, program=robotics, name="Spring 2027", price=price)
    reviewed = InstanceFactory(
        workspace=workspace,
        program=math,
        name="Summer 2027",
        price=price,
        is_default=False,
        review_mode=ReviewMode.MANUAL,
    )
    DistrictFactory(workspace=workspace, tenant_id=7, name="Oak Valley Unified")
    seats(workspace, total=50, tenant_id=7)
    staff = StaffFactory(email="reviewer@riverbend.test")
    MembershipFactory(workspace=workspace, user=staff, role=Role.REVIEWER)
    return {
        "key": api_key_text(workspace=workspace),
        "automatic": automatic.cuid,
        "reviewed": reviewed.cuid,
        "staff": staff.email,
    }
