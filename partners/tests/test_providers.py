"""A workspace's partners: what is stored, and how their API key is protected."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from core.errors import Invalid
from partners.errors import ProviderNotFound, SlugTaken
from partners.models import EnrollmentStep, Provider
from partners.providers import change_provider, create_provider, pause_provider, resume_provider

from .factories import NOON, ProviderFactory, approved, steps_of

pytestmark = pytest.mark.django_db


def create(workspace: Workspace, **fields: Any) -> Provider:
    given = {"slug": "acme", "name": "Acme Learning", "base_url": "https://lms.acme.test/api", "api_key": "secret-1"}
    return create_provider(workspace_id=workspace.pk, now=utc_now(), **given | fields)


class TestAPartner:
    def test_is_kept_as_given(self) -> None:
        made = create(WorkspaceFactory(), expected_days=30, contact_email="Help@ACME.test")

        kept = Provider.objects.get()
        assert kept == made
        assert (kept.slug, kept.name, kept.adapter, kept.expected_days) == ("acme", "Acme Learning", "rest", 30)
        assert (kept.stuck_after_days, kept.contact_email, kept.paused_at) == (7, "help@acme.test", None)

    def test_is_kept_with_its_key_sealed(self) -> None:
        create(WorkspaceFactory())

        with connection.cursor() as cursor:
            cursor.execute("SELECT api_key FROM partners_provider")
            (stored,) = cursor.fetchone()

        assert "secret-1" not in stored
        assert Provider.objects.get().api_key == "secret-1"

    def test_needs_a_slug_that_nobody_has(self) -> None:
        create(WorkspaceFactory())

        with pytest.raises(SlugTaken):
            create(WorkspaceFactory(), name="Another")

        assert Provider.objects.get().name == "Acme Learning"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("slug", "two words"),
            ("slug", ""),
            ("name", ""),
            ("name", "n" * 201),
            ("adapter", "soap"),
            ("base_url", "ftp://lms.acme.test"),
            ("base_url", "lms"),
            ("expected_days", 0),
            ("expected_days", -1),
            ("stuck_after_days", 0),
            ("accept_within_hours", 0),
            ("contact_email", "nobody"),
        ],
    )
    def test_is_refused_by_the_name_of_the_field(self, field: str, value: Any) -> None:
        with pytest.raises(Invalid) as refused:
            create(WorkspaceFactory(), **{field: value})

        assert {fault.field for fault in refused.value.errors} == {field}
        assert Provider.objects.count() == 0

    @pytest.mark.parametrize(
        ("address", "fault"),
        [
            ("http://lms.acme.test", "The address must begin with https and must not contain a user name."),
            ("https://10.0.0.7/api", "10.0.0.7 is not a public address."),
        ],
    )
    def test_whose_address_is_never_called_is_refused(self, settings: Any, address: str, fault: str) -> None:
        settings.SANDBOX = False

        with pytest.raises(Invalid) as refused:
            create(WorkspaceFactory(), base_url=address)

        assert [(each.field, each.detail) for each in refused.value.errors] == [("base_url", fault)]
        assert create(WorkspaceFactory(), base_url="https://lms.acme.test").base_url == "https://lms.acme.test"

    def test_with_an_api_needs_its_address(self) -> None:
        with pytest.raises(Invalid) as refused:
            create(WorkspaceFactory(), base_url="")

        assert [(fault.field, fault.code) for fault in refused.value.errors] == [("base_url", "required")]
        assert create(WorkspaceFactory(), base_url="", adapter="manual").adapter == "manual"


class TestAChange:
    def test_keeps_what_it_does_not_name(self) -> None:
        provider = ProviderFactory(name="Acme")

        change_provider(provider_id=provider.pk, api_key="secret-2", expected_days=3, now=utc_now())

        kept = Provider.objects.get()
        assert (kept.name, kept.api_key, kept.expected_days) == ("Acme", "secret-2", 3)

    def test_that_can_not_be_is_refused(self) -> None:
        provider = ProviderFactory()

        with pytest.raises(Invalid):
            change_provider(provider_id=provider.pk, expected_days=0, now=utc_now())

        assert Provider.objects.get().expected_days == 14

    def test_of_nobody_is_refused(self) -> None:
        with pytest.raises(ProviderNotFound):
            change_provider(provider_id=1, name="Acme", now=utc_now())


class TestACorrection:
    """After a correction of how a partner is called, any pause is over."""

    LATER = NOON + dt.timedelta(minutes=40)

    def step(self) -> EnrollmentStep:
        """Return a step about which the partner failed to answer six times, so that it is asked again in 40 minutes."""
        step = steps_of(approved(now=NOON))[0]
        EnrollmentStep.objects.filter(pk=step.pk).update(attempts=6, next_attempt_at=self.LATER)
        Provider.objects.filter(pk=step.provider_id).update(
            next_round_at=NOON + dt.timedelta(minutes=5), silent_since=NOON - dt.timedelta(hours=1)
        )
        return step

    @pytest.mark.parametrize(
        "change",
        [
            {"base_url": "https://other.example.test"},
            {"api_key": "secret-2"},
            {"timeout_seconds": 30},
            {"field_map": {"answer": {"id": "number"}}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_has_it_tried_at_once(self, change: dict[str, Any]) -> None:
        step = self.step()

        change_provider(provider_id=step.provider_id, now=NOON, **change)

        assert EnrollmentStep.objects.get(pk=step.pk).next_attempt_at == NOON
        provider = Provider.objects.get(pk=step.provider_id)
        assert provider.next_round_at is None
        assert provider.silent_since is not None  # until it answers

    @pytest.mark.parametrize("change", [{"name": "North"}, {"expected_days": 3}, {"timeout_seconds": 10}])
    def test_of_anything_else_ends_no_pause(self, change: dict[str, Any]) -> None:
        step = self.step()

        change_provider(provider_id=step.provider_id, now=NOON, **change)

        assert EnrollmentStep.objects.get(pk=step.pk).next_attempt_at == self.LATER
        assert Provider.objects.get(pk=step.provider_id).next_round_at == NOON + dt.timedelta(minutes=5)

    def test_leaves_alone_whom_a_worker_may_be_asking_about(self) -> None:
        step = self.step()
        leased = NOON + dt.timedelta(minutes=3)
        EnrollmentStep.objects.filter(pk=step.pk).update(next_attempt_at=leased)

        change_provider(provider_id=step.provider_id, api_key="secret-2", now=NOON)

        assert EnrollmentStep.objects.get(pk=step.pk).next_attempt_at == leased


class TestAPause:
    def test_begins_once_and_ends(self) -> None:
        provider = ProviderFactory()

        pause_provider(provider_id=provider.pk, now=NOON)
        pause_provider(provider_id=provider.pk, now=utc_now())
        assert Provider.objects.get().paused_at == NOON
        resume_provider(provider_id=provider.pk, now=utc_now())

        assert Provider.objects.get().paused_at is None
