"""`manage.py reseal_secrets`: after it, a replaced key opens nothing that is still stored."""

import pytest
from cryptography.fernet import Fernet
from django.db.models import TextField
from django.db.models.functions import Cast
from django.test import override_settings

from core.clock import utc_now
from core.invariants import Extent
from core.resealing import secrets_are_sealed_with_the_newest_key
from core.sealing import reseal
from partners.models import Provider
from partners.tests.factories import ProviderFactory
from tests.commands import run_json

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))

pytestmark = pytest.mark.django_db


@pytest.fixture
def providers() -> list[Provider]:
    with override_settings(SEALING_KEYS=[OLD]):
        return [ProviderFactory(api_key="key-1", webhook_secret="hook-1"), ProviderFactory(api_key="key-2")]


def stored() -> list[str]:
    """Return the sealed API keys as a backup contains them."""
    rows = Provider.objects.annotate(sealed=Cast("api_key", TextField())).order_by("pk")
    return list(rows.values_list("sealed", flat=True))


def breaches() -> list[str]:
    return [breach.fact for breach in secrets_are_sealed_with_the_newest_key(Extent(now=utc_now()))]


class TestResealSecrets:
    @pytest.mark.sqlite
    def test_seals_all_again_so_that_the_new_key_is_enough(self, providers: list[Provider]) -> None:
        with override_settings(SEALING_KEYS=[NEW, OLD]):
            report = run_json("reseal_secrets")

        assert report == {"dry_run": False, "secrets": 3, "due": 3, "resealed": 3, "broken": []}
        with override_settings(SEALING_KEYS=[NEW]):
            first, second = Provider.objects.order_by("pk")
            assert (first.api_key, first.webhook_secret, second.api_key) == ("key-1", "hook-1", "key-2")
            assert second.webhook_secret == ""
            assert breaches() == []

    def test_changes_nothing_when_it_is_rehearsed(self, providers: list[Provider]) -> None:
        before = stored()

        with override_settings(SEALING_KEYS=[NEW, OLD]):
            report = run_json("reseal_secrets", "--dry-run")
            named = breaches()

        assert report == {"dry_run": True, "secrets": 3, "due": 3, "resealed": 0, "broken": []}
        assert stored() == before
        assert named == [
            "api_key is sealed with an older key",
            "api_key is sealed with an older key",
            "webhook_secret is sealed with an older key",
        ]

    def test_leaves_alone_what_the_newest_key_has_sealed(self, providers: list[Provider]) -> None:
        before = stored()

        with override_settings(SEALING_KEYS=[OLD, NEW]):
            report = run_json("reseal_secrets")

        assert (report["due"], report["resealed"]) == (0, 0)
        assert stored() == before

    def test_goes_on_where_it_was_killed(self, providers: list[Provider], monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[str] = []

        def killed_at_the_second(sealed: str) -> str:
            if done:
                raise KeyboardInterrupt
            done.append(sealed)
            return reseal(sealed)

        with override_settings(SEALING_KEYS=[NEW, OLD]):
            monkeypatch.setattr("core.resealing.reseal", killed_at_the_second)
            with pytest.raises(KeyboardInterrupt):
                run_json("reseal_secrets")
            monkeypatch.undo()
            report = run_json("reseal_secrets")

        assert (report["due"], report["resealed"]) == (2, 2)
        with override_settings(SEALING_KEYS=[NEW]):
            assert [row.api_key for row in Provider.objects.order_by("pk")] == ["key-1", "key-2"]

    def test_keeps_a_secret_that_is_changed_meanwhile(
        self, providers: list[Provider], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def changed_first(sealed: str) -> str:
            Provider.objects.update(api_key="changed", webhook_secret="changed")
            return reseal(sealed)

        monkeypatch.setattr("core.resealing.reseal", changed_first)
        with override_settings(SEALING_KEYS=[NEW, OLD]):
            report = run_json("reseal_secrets")

            assert report["resealed"] == 0
            assert {row.api_key for row in Provider.objects.all()} == {"changed"}

    def test_names_what_no_key_opens_and_seals_the_others(self, providers: list[Provider]) -> None:
        with override_settings(SEALING_KEYS=[OTHER]):
            lost = ProviderFactory(api_key="lost")

        with override_settings(SEALING_KEYS=[NEW, OLD]):
            with pytest.raises(SystemExit) as ended:
                run_json("reseal_secrets")
            named = breaches()

        assert ended.value.code == 1
        assert named == ["api_key is opened by none of SEALING_KEYS"]
        with override_settings(SEALING_KEYS=[NEW]):
            kept = Provider.objects.exclude(pk=lost.pk).order_by("pk")
            assert [row.api_key for row in kept] == ["key-1", "key-2"]
