import datetime as dt
import re

import pytest

from accounts.api_keys import (
    KeyNotUsable,
    create_api_key,
    find_principal,
    is_well_formed,
    revoke_api_key,
    rotate_api_key,
)
from accounts.models import ApiKey
from core.actors import Actor
from core.clock import utc_now
from core.errors import Invalid, NotFound

from .factories import WorkspaceFactory, api_key_text

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


@pytest.mark.django_db
class TestCreatingAKey:
    def test_returns_a_text_that_finds_its_principal(self):
        workspace = WorkspaceFactory()

        key, text = create_api_key(workspace_id=workspace.pk, name="Portal", scopes=["decisions:write"], now=utc_now())

        principal = find_principal(text, now=utc_now())
        assert principal is not None
        assert principal.workspace_id == workspace.pk
        assert principal.scopes == frozenset({"decisions:write"})
        assert principal.actor == Actor("key", key.pk)
        assert str(principal) == f"key:{key.pk}"

    def test_stores_no_part_of_the_secret_but_the_last_four(self):
        key, text = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Portal", scopes=["decisions:read"], now=utc_now()
        )

        assert re.fullmatch(r"ek_[0-9A-Za-z]{46}", text)
        assert key.prefix == text[:11]
        assert key.last_four == text[-4:]
        stored = " ".join(str(value) for value in ApiKey.objects.filter(pk=key.pk).values_list().get())
        assert text[11:43] not in stored

    def test_refuses_unknown_scopes_by_name(self):
        workspace = WorkspaceFactory()

        with pytest.raises(Invalid) as refusal:
            create_api_key(
                workspace_id=workspace.pk, name="Portal", scopes=["decisions:read", "money:print"], now=utc_now()
            )

        assert refusal.value.errors[0].field == "scopes"
        assert refusal.value.errors[0].detail == "Unknown: money:print."
        assert ApiKey.objects.count() == 0

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"scopes": []}, "scopes"),
            ({"name": "  "}, "name"),
            ({"expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "expires_at"),
        ],
    )
    def test_refuses_what_makes_no_usable_key(self, change, field):
        wanted = {"workspace_id": WorkspaceFactory().pk, "name": "Portal", "scopes": ["decisions:read"]} | change

        with pytest.raises(Invalid) as refusal:
            create_api_key(**wanted, now=utc_now())

        assert refusal.value.errors[0].field == field
        assert ApiKey.objects.count() == 0

    def test_refuses_an_unknown_workspace(self):
        with pytest.raises(NotFound):
            create_api_key(workspace_id=404, name="Portal", scopes=["decisions:read"], now=utc_now())

        assert ApiKey.objects.count() == 0


@pytest.mark.django_db
class TestFindingAPrincipal:
    def test_refuses_a_typo_without_a_query(self, django_assert_num_queries):
        text = api_key_text(workspace=WorkspaceFactory())
        typo = text[:20] + ("A" if text[20] != "A" else "B") + text[21:]

        with django_assert_num_queries(0):
            found = find_principal(typo, now=utc_now())

        assert found is None

    @pytest.mark.parametrize("text", ["", "ek_", "ek_" + "0" * 46, "sk_live_something", "é" * 49, "x" * 100_000])
    def test_refuses_what_is_no_key_without_a_query(self, text, django_assert_num_queries):
        with django_assert_num_queries(0):
            found = find_principal(text, now=utc_now())

        assert found is None
        assert not is_well_formed(text)

    def test_refuses_a_key_that_was_deleted(self):
        text = api_key_text(workspace=WorkspaceFactory())
        ApiKey.objects.all().delete()

        assert find_principal(text, now=utc_now()) is None

    def test_refuses_a_key_past_its_expiry(self, time_machine):
        time_machine.move_to(NOON, tick=False)
        workspace = WorkspaceFactory()
        _, text = create_api_key(
            workspace_id=workspace.pk,
            name="Day",
            scopes=["districts:read"],
            expires_at=NOON + dt.timedelta(days=1),
            now=utc_now(),
        )

        before = find_principal(text, now=utc_now())
        time_machine.move_to(NOON + dt.timedelta(days=1), tick=False)
        after = find_principal(text, now=utc_now())

        assert before is not None
        assert after is None

    def test_notes_the_use_once_a_minute(self, time_machine, django_assert_num_queries):
        time_machine.move_to(NOON, tick=False)
        text = api_key_text(workspace=WorkspaceFactory())

        find_principal(text, now=utc_now())
        time_machine.move_to(NOON + dt.timedelta(seconds=59), tick=False)
        with django_assert_num_queries(1):
            find_principal(text, now=utc_now())
        first = ApiKey.objects.get().last_used_at
        time_machine.move_to(NOON + dt.timedelta(seconds=61), tick=False)
        find_principal(text, now=utc_now())

        assert first == NOON
        assert ApiKey.objects.get().last_used_at == NOON + dt.timedelta(seconds=61)


@pytest.mark.django_db
class TestTheKeyCache:
    @pytest.fixture(autouse=True)
    def _cache_switched_on(self, settings):
        settings.API_KEY_CACHE_SECONDS = 30

    def test_answers_without_a_query(self, django_assert_num_queries):
        text = api_key_text(workspace=WorkspaceFactory())
        first = find_principal(text, now=utc_now())

        with django_assert_num_queries(0):
            second = find_principal(text, now=utc_now())

        assert second == first

    def test_still_refuses_a_key_past_its_expiry(self, time_machine):
        time_machine.move_to(NOON, tick=False)
        _, text = create_api_key(
            workspace_id=WorkspaceFactory().pk,
            name="Day",
            scopes=["districts:read"],
            expires_at=NOON + dt.timedelta(seconds=5),
            now=utc_now(),
        )
        find_principal(text, now=utc_now())

        time_machine.move_to(NOON + dt.timedelta(seconds=5), tick=False)

        assert find_principal(text, now=utc_now()) is None

    def test_forgets_a_key_revoked_in_this_process(self, django_capture_on_commit_callbacks):
        key, text = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Portal", scopes=["districts:read"], now=utc_now()
        )
        find_principal(text, now=utc_now())

        with django_capture_on_commit_callbacks(execute=True):
            revoke_api_key(api_key_id=key.pk, now=utc_now())

        assert find_principal(text, now=utc_now()) is None


@pytest.mark.django_db
class TestRotatingAKey:
    def test_lets_both_work_until_the_overlap_ends(self, time_machine):
        time_machine.move_to(NOON, tick=False)
        key, old_text = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Portal", scopes=["districts:read"], now=utc_now()
        )

        new, new_text = rotate_api_key(api_key_id=key.pk, overlap=dt.timedelta(hours=1), now=utc_now())

        assert find_principal(old_text, now=utc_now()) is not None
        assert find_principal(new_text, now=utc_now()) is not None
        time_machine.move_to(NOON + dt.timedelta(hours=1), tick=False)
        assert find_principal(old_text, now=utc_now()) is None
        assert find_principal(new_text, now=utc_now()) is not None
        key.refresh_from_db()
        assert (key.replaced_by, new.name, new.scopes) == (new, "Portal", ["districts:read"])

    def test_never_lengthens_the_old_key_and_keeps_its_lifetime(self, time_machine):
        time_machine.move_to(NOON, tick=False)
        key, _ = create_api_key(
            workspace_id=WorkspaceFactory().pk,
            name="Portal",
            scopes=["districts:read"],
            expires_at=NOON + dt.timedelta(days=30),
            now=utc_now(),
        )
        time_machine.move_to(NOON + dt.timedelta(days=29), tick=False)

        new, _ = rotate_api_key(api_key_id=key.pk, overlap=dt.timedelta(days=7), now=utc_now())

        key.refresh_from_db()
        assert key.expires_at == NOON + dt.timedelta(days=30)
        assert new.expires_at == NOON + dt.timedelta(days=59)

    def test_refuses_a_second_rotation(self):
        key, _ = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Portal", scopes=["districts:read"], now=utc_now()
        )
        rotate_api_key(api_key_id=key.pk, overlap=dt.timedelta(hours=1), now=utc_now())

        with pytest.raises(KeyNotUsable):
            rotate_api_key(api_key_id=key.pk, overlap=dt.timedelta(hours=1), now=utc_now())

        assert ApiKey.objects.count() == 2

    def test_refuses_a_revoked_key(self):
        key, _ = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Portal", scopes=["districts:read"], now=utc_now()
        )
        revoke_api_key(api_key_id=key.pk, now=utc_now())

        with pytest.raises(KeyNotUsable):
            rotate_api_key(api_key_id=key.pk, overlap=dt.timedelta(hours=1), now=utc_now())

        assert ApiKey.objects.count() == 1


@pytest.mark.django_db
class TestRevokingAKey:
    def test_ends_it_at_once(self):
        key, text = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Portal", scopes=["districts:read"], now=utc_now()
        )

        revoke_api_key(api_key_id=key.pk, now=utc_now())

        assert find_principal(text, now=utc_now()) is None

    def test_keeps_the_first_moment_when_done_twice(self):
        key, _ = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Portal", scopes=["districts:read"], now=utc_now()
        )
        revoke_api_key(api_key_id=key.pk, now=NOON)

        revoke_api_key(api_key_id=key.pk, now=NOON + dt.timedelta(days=1))

        key.refresh_from_db()
        assert key.revoked_at == NOON

    def test_refuses_an_unknown_key(self):
        with pytest.raises(NotFound):
            revoke_api_key(api_key_id=404, now=utc_now())
