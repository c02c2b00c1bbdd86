import datetime as dt

import pytest
from django.core.management import CommandError
from django.db import IntegrityError
from django.db.migrations.loader import MigrationLoader

from accounts.api_keys import find_principal
from accounts.invitation_links import find_invitation
from accounts.invitations import invite_member
from accounts.models import ApiKey, Membership, StaffInvitation, Workspace
from accounts.states import Role, Scope
from accounts.tests.factories import MembershipFactory, WorkspaceFactory
from core.clock import utc_now
from enrollment_project.management.commands import upgrade_database
from enrollments.models import Program, ProgramInstance
from enrollments.states import ReviewMode
from events.models import OutboxEvent
from events.states import RelayStatus
from events.tests.factories import happen
from tests.commands import run, run_json


@pytest.mark.django_db
class TestCreateWorkspace:
    def test_makes_what_routing_needs(self):
        report = run_json("create_workspace", "north-county")

        instance = ProgramInstance.objects.get()
        assert report == {
            "id": Workspace.objects.get().pk,
            "slug": "north-county",
            "timezone": "UTC",
            "language": "en",
            "name": "North County",
            "created": True,
            "program_instance_id": instance.cuid,
            "course_id": instance.pk,
            "price_minor": 4900,
            "currency": "usd",
        }
        assert (instance.is_default, instance.review_mode, instance.program.code) == (
            True,
            ReviewMode.AUTOMATIC,
            "general",
        )
        assert instance.price is not None
        assert (instance.price.amount_minor, instance.price.currency) == (4900, "usd")

    def test_takes_a_name_and_a_price(self):
        report = run_json(
            "create_workspace", "north", "--name", "North!", "--price-minor", "12500", "--currency", "EUR"
        )

        assert (report["name"], report["price_minor"], report["currency"]) == ("North!", 12500, "eur")

    def test_refuses_a_slug_that_is_taken(self):
        run("create_workspace", "north")

        with pytest.raises(CommandError, match="The workspace north already exists") as refusal:
            run("create_workspace", "north", "--name", "Other")

        assert refusal.value.returncode == 1
        assert Workspace.objects.get().name == "North"
        assert Program.objects.count() == 1

    def test_leaves_an_existing_one_alone_if_asked(self):
        first = run_json("create_workspace", "north")

        second = run_json("create_workspace", "north", "--price-minor", "9900", "--if-missing")

        assert second == first | {"created": False}

    def test_invites_an_owner_once_and_again_with_a_link_that_works(self):
        first = run_json("create_workspace", "north", "--owner", "Owner@north.test")

        second = run_json("create_workspace", "north", "--owner", "owner@north.test", "--if-missing")

        invitation = StaffInvitation.objects.get()
        assert (invitation.email, invitation.role) == ("owner@north.test", Role.OWNER)
        links = [report["owner_invitation"].rstrip("/").rpartition("/")[2] for report in (first, second)]
        assert [find_invitation(StaffInvitation, token=token) for token in links] == [None, invitation]

    @pytest.mark.sqlite
    def test_leaves_an_owner_there_is_alone(self):
        owner = MembershipFactory(workspace=WorkspaceFactory(slug="north"), role=Role.OWNER)

        report = run_json("create_workspace", "north", "--owner", owner.user.email, "--if-missing")

        assert report["owner_invitation"] is None
        assert (StaffInvitation.objects.count(), Membership.objects.count()) == (0, 1)

    @pytest.mark.sqlite
    def test_invites_nobody_as_more_than_the_owners_did(self):
        workspace = WorkspaceFactory(slug="north")
        invite_member(workspace_id=workspace.pk, email="v@north.test", role=Role.VIEWER, invited_by=None, now=utc_now())

        with pytest.raises(CommandError, match="has an open invitation"):
            run("create_workspace", "north", "--owner", "v@north.test", "--if-missing")

        assert StaffInvitation.objects.get().role == Role.VIEWER

    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        "arguments",
        [
            ["North"],
            ["-north"],
            ["n" * 51],
            ["north", "--price-minor", "0"],
            ["north", "--price-minor", "100000000"],
            ["north", "--price-minor", "30"],
            ["north", "--price-minor", "5125", "--currency", "kwd"],
            ["north", "--currency", "zzz"],
            ["north", "--currency", "dollars"],
        ],
    )
    def test_refuses_what_makes_no_workspace(self, arguments):
        options = ["--", *arguments] if arguments[0].startswith("-") else arguments

        with pytest.raises(CommandError):
            run("create_workspace", *options)

        assert Workspace.objects.count() == 0

    def test_tells_a_person_what_comes_next(self):
        text = run("create_workspace", "north")

        assert text.startswith("Created workspace north.\n")
        assert text.endswith("Next: manage.py create_api_key --workspace north --scopes all\n")


@pytest.mark.django_db
class TestCreateApiKey:
    def test_prints_a_key_that_works(self):
        workspace = WorkspaceFactory(slug="north")

        report = run_json("create_api_key", "--workspace", "north", "--scopes", "all", "--name", "Portal")

        principal = find_principal(report["key"], now=utc_now())
        assert principal is not None
        assert (principal.workspace_id, principal.scopes) == (workspace.pk, frozenset(Scope.values))
        assert (report["name"], report["workspace"], report["expires_at"]) == ("Portal", "north", None)

    def test_grants_only_the_scopes_named(self):
        WorkspaceFactory(slug="north")

        report = run_json("create_api_key", "--workspace", "north", "--scopes", "decisions:read, districts:read")

        assert report["scopes"] == ["decisions:read", "districts:read"]

    def test_can_end_by_itself(self, time_machine):
        time_machine.move_to(dt.datetime(2026, 9, 1, tzinfo=dt.UTC), tick=False)
        WorkspaceFactory(slug="north")

        report = run_json("create_api_key", "--workspace", "north", "--scopes", "all", "--expires-days", "30")

        assert report["expires_at"] == "2026-10-01T00:00:00+00:00"

    @pytest.mark.parametrize("days", ["1e12", "nan", "-1", "soon"])
    def test_refuses_an_end_that_is_none(self, days):
        WorkspaceFactory(slug="north")

        with pytest.raises(CommandError, match="give a number between"):
            run("create_api_key", "--workspace", "north", "--scopes", "all", f"--expires-days={days}")

        assert ApiKey.objects.count() == 0

    def test_names_an_unknown_scope(self):
        WorkspaceFactory(slug="north")

        with pytest.raises(CommandError, match="Unknown: money:print"):
            run("create_api_key", "--workspace", "north", "--scopes", "money:print")

        assert ApiKey.objects.count() == 0

    @pytest.mark.sqlite
    def test_names_the_workspaces_there_are(self):
        WorkspaceFactory(slug="north")

        with pytest.raises(CommandError, match=r"There is no workspace south\. There are: north\."):
            run("create_api_key", "--workspace", "south", "--scopes", "all")

        assert ApiKey.objects.count() == 0

    def test_keeps_the_key_on_one_line_for_people(self):
        WorkspaceFactory(slug="north")

        text = run("create_api_key", "--workspace", "north", "--scopes", "all")

        (line,) = [line for line in text.splitlines() if line.startswith("key")]
        assert find_principal(line.split()[-1], now=utc_now()) is not None


@pytest.mark.django_db
class TestRotateAndRevoke:
    @pytest.mark.sqlite
    def test_replace_a_key_named_by_its_public_start(self):
        WorkspaceFactory(slug="north")
        old = run_json("create_api_key", "--workspace", "north", "--scopes", "all")

        new = run_json("rotate_api_key", old["key"][:11], "--overlap-hours", "1")

        assert new["replaces"] == old["id"]
        assert find_principal(old["key"], now=utc_now()) is not None
        assert find_principal(new["key"], now=utc_now()) is not None

    def test_end_a_key_named_by_its_id(self):
        WorkspaceFactory(slug="north")
        key = run_json("create_api_key", "--workspace", "north", "--scopes", "all")

        report = run_json("revoke_api_key", str(key["id"]))

        assert report["prefix"] == key["key"][:11]
        assert find_principal(key["key"], now=utc_now()) is None

    @pytest.mark.parametrize("command", ["rotate_api_key", "revoke_api_key"])
    def test_refuse_an_unknown_key(self, command):
        with pytest.raises(CommandError, match="There is no such API key"):
            run(command, "404")


@pytest.mark.django_db(transaction=True)
class TestRelayEvents:
    def test_hands_on_what_is_due(self):
        happen(workspace=WorkspaceFactory(), times=3)

        report = run_json("relay_events", "--limit", "2")

        assert report == {"relayed": 2, "revived": 0, "due": {"thing.happened": 1}}

    def test_only_counts_when_asked(self):
        happen(workspace=WorkspaceFactory(), times=3)

        report = run_json("relay_events", "--dry-run")

        assert report == {"relayed": 0, "due": {"thing.happened": 3}}
        assert set(OutboxEvent.objects.values_list("relay_status", flat=True)) == {RelayStatus.PENDING}

    def test_revives_the_dead_when_asked(self):
        happen(workspace=WorkspaceFactory(), times=2)
        OutboxEvent.objects.update(relay_status=RelayStatus.DEAD)

        report = run_json("relay_events", "--replay-dead")

        assert report == {"relayed": 2, "revived": 2, "due": {}}

    def test_fails_plainly_when_the_stream_is_gone(self, settings):
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        happen(workspace=WorkspaceFactory())

        with pytest.raises(CommandError, match="Redis: ConnectionError"):
            run("relay_events")

        assert OutboxEvent.objects.get().relay_status == RelayStatus.PENDING

    def test_tells_a_person_the_numbers(self):
        happen(workspace=WorkspaceFactory(), times=2)

        assert run("relay_events") == "Relayed 2 events; 0 are due.\n"


@pytest.mark.django_db
class TestUpgradeDatabase:
    def test_says_what_it_would_do_to_go_back(self):
        report = run_json("upgrade_database", "--to", "core=0001_initial", "--dry-run")

        assert report["tries"] == 0
        assert "undo core.0002_shared_counter" in report["steps"]

    def test_refuses_a_migration_that_there_is_not(self):
        with pytest.raises(CommandError, match="core has no migration 0000_nothing"):
            run("upgrade_database", "--to", "core=0000_nothing")

    def test_goes_back_to_what_another_release_lists(self, tmp_path):
        newest = [*MigrationLoader(None).graph.leaf_nodes()]
        older = [(app, name) for app, name in newest if app not in ("core", "partners")] + [("core", "0001_initial")]

        report = run_json("upgrade_database", "--back-to", plan_of(older, tmp_path), "--dry-run")

        assert {step.partition(".")[0] for step in report["steps"]} >= {"undo core", "undo partners"}
        assert "undo partners.0001_initial" in report["steps"]
        assert "undo core.0001_initial" not in report["steps"]

    def test_has_nothing_to_do_for_a_release_with_the_same_migrations(self, tmp_path):
        plan = plan_of(MigrationLoader(None).graph.leaf_nodes(), tmp_path)

        assert run_json("upgrade_database", "--back-to", plan) == {"steps": [], "tries": 0}

    @pytest.mark.parametrize(
        ("listed", "said"),
        [
            ([], "not the output of a release"),
            ([("core", "0999_later")], "no migration core.0999_later"),
        ],
    )
    def test_refuses_a_list_that_is_none_or_of_a_later_release(self, tmp_path, listed, said):
        with pytest.raises(CommandError, match=said):
            run("upgrade_database", "--back-to", plan_of(listed, tmp_path))

    def test_refuses_a_list_that_is_not_there(self, tmp_path):
        with pytest.raises(CommandError, match=r"plan\.txt can't be read"):
            run("upgrade_database", "--back-to", str(tmp_path / "plan.txt"))

    def test_says_which_rows_are_in_the_way_without_quoting_them(self, monkeypatch):
        def fail(**_):
            raise IntegrityError(
                'check constraint "membership_role_known" is violated by some row\nDETAIL: jane@a.test'
            )

        monkeypatch.setattr(upgrade_database, "migrate_under_load", fail)

        with pytest.raises(CommandError, match="membership_role_known") as refusal:
            run("upgrade_database", "--to", "core=0001_initial")

        assert "jane" not in str(refusal.value)


def plan_of(migrations, folder):
    """Write a file with what `showmigrations --plan` prints for a release with these migrations."""
    path = folder / "plan.txt"
    path.write_text("".join(f"[X]  {app}.{name}\n" for app, name in migrations))
    return str(path)
