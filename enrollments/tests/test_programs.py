import pytest

from accounts.tests.factories import WorkspaceFactory
from core.errors import Invalid, NotFound
from enrollments.models import ProgramInstance
from enrollments.programs import make_default
from enrollments.tests.factories import InstanceFactory

pytestmark = pytest.mark.django_db


class TestMakeDefault:
    def test_replaces_the_default_of_its_workspace_only(self) -> None:
        workspace = WorkspaceFactory()
        before = InstanceFactory(workspace=workspace)
        after = InstanceFactory(workspace=workspace, is_default=False)
        elsewhere = InstanceFactory()

        make_default(instance_id=after.pk)

        assert set(ProgramInstance.objects.filter(is_default=True)) == {after, elsewhere}
        assert not ProgramInstance.objects.get(pk=before.pk).is_default

    @pytest.mark.parametrize("switched_off", ["instance", "program"])
    def test_refuses_one_that_takes_no_enrollments(self, switched_off: str) -> None:
        workspace = WorkspaceFactory()
        before = InstanceFactory(workspace=workspace)
        other = InstanceFactory(workspace=workspace, is_default=False)
        row = other if switched_off == "instance" else other.program
        row.active = False
        row.save()

        with pytest.raises(Invalid, match="active"):
            make_default(instance_id=other.pk)

        assert ProgramInstance.objects.get(is_default=True) == before

    def test_refuses_an_unknown_instance(self) -> None:
        before = InstanceFactory()

        with pytest.raises(NotFound):
            make_default(instance_id=before.pk + 1)

        assert ProgramInstance.objects.get(is_default=True) == before
