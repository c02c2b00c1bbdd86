"""The versions of a program's sequence: what creates a new one, and what is rejected."""

import pytest

from core.clock import utc_now
from core.errors import Invalid
from enrollments.models import ProgramInstance
from enrollments.tests.factories import STAFF, InstanceFactory
from partners.models import PartnerSequence
from partners.sequences import GroupDraft, ItemDraft, define_sequence, read_groups
from partners.states import GroupRule

from .factories import ProviderFactory, define, group

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory(price=None)


def versions(instance: ProgramInstance) -> list[tuple[int, bool]]:
    rows = PartnerSequence.objects.filter(program=instance.program).order_by("version")
    return list(rows.values_list("version", "active"))


class TestDefining:
    def test_makes_the_first_version(self, instance: ProgramInstance) -> None:
        drafts = (group(instance, 2, name="Basics"), group(instance, 3, GroupRule.AT_LEAST, at_least=2))

        sequence = define(instance, *drafts)

        assert sequence is not None
        assert (sequence.version, sequence.active, sequence.created_by) == (1, True, "user:1")
        assert read_groups(sequence) == drafts

    def test_of_something_else_makes_another_version_and_ends_the_first(self, instance: ProgramInstance) -> None:
        define(instance, group(instance, 1))

        define(instance, group(instance, 2))

        assert versions(instance) == [(1, False), (2, True)]

    def test_of_the_same_changes_nothing(self, instance: ProgramInstance) -> None:
        drafts = (group(instance, 2), group(instance, 1))
        first = define(instance, *drafts)

        again = define(instance, *drafts)

        assert again == first
        assert versions(instance) == [(1, True)]

    def test_of_what_was_before_makes_a_version_of_its_own(self, instance: ProgramInstance) -> None:
        before, after = group(instance, 1), group(instance, 2)

        for draft in (before, after, before):
            define(instance, draft)

        assert versions(instance) == [(1, False), (2, False), (3, True)]

    def test_of_nothing_ends_the_sequence(self, instance: ProgramInstance) -> None:
        define(instance, group(instance, 1))

        assert define(instance) is None
        assert versions(instance) == [(1, False)]


class TestASequenceThatIsRefused:
    @pytest.mark.parametrize(
        ("rule", "at_least", "field", "code"),
        [
            ("in_turns", None, "groups[0].rule", "unknown"),
            (GroupRule.AT_LEAST, None, "groups[0].atLeast", "out_of_range"),
            (GroupRule.AT_LEAST, 0, "groups[0].atLeast", "out_of_range"),
            (GroupRule.AT_LEAST, 3, "groups[0].atLeast", "out_of_range"),
            (GroupRule.ALL_IN_ORDER, 1, "groups[0].atLeast", "not_allowed"),
        ],
    )
    def test_has_an_odd_group(
        self, instance: ProgramInstance, rule: str, at_least: int | None, field: str, code: str
    ) -> None:
        self.refuse(instance, group(instance, 2, rule, at_least=at_least), field=field, code=code)

    def test_has_an_empty_group(self, instance: ProgramInstance) -> None:
        self.refuse(instance, GroupDraft(()), field="groups[0]", code="empty")

    def test_names_a_partner_of_another_workspace(self, instance: ProgramInstance) -> None:
        stranger = ProviderFactory()

        self.refuse(
            instance, GroupDraft((ItemDraft(stranger.slug, "course"),)), field="steps[0].partner", code="not_found"
        )

    def test_has_a_course_twice(self, instance: ProgramInstance) -> None:
        draft = group(instance, 1)

        self.refuse(instance, draft, draft, field="steps[1].courseId", code="repeated")

    def refuse(self, instance: ProgramInstance, *drafts: GroupDraft, field: str, code: str) -> None:
        """The refusal names the field, and the existing sequence stays in force."""
        define(instance, group(instance, 1))

        with pytest.raises(Invalid) as refused:
            define_sequence(program_id=instance.program_id, groups=drafts, actor=STAFF, now=utc_now())

        assert [(fault.field, fault.code) for fault in refused.value.errors] == [(field, code)]
        assert versions(instance) == [(1, True)]
