"""Data stored before addresses and names had one spelling each."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from accounts.models import Guardian, Learner, StaffTask, User
from accounts.twins import pair_of

from .factories import GuardianFactory, LearnerFactory, UserFactory, WorkspaceFactory

migration = import_module("accounts.migrations.0002_canonical_addresses")
external_ids = import_module("accounts.migrations.0007_compare_external_ids")

pytestmark = pytest.mark.django_db


def store(table: str, pk: int, **values: str) -> None:
    """Bypass the model, which would normalize them."""
    columns = ", ".join(f"{name} = %s" for name in values)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {columns} WHERE id = %s", [*values.values(), pk])


@pytest.mark.sqlite
class TestOldAddresses:
    def test_are_spelled_anew(self) -> None:
        user, guardian = UserFactory(email="a@xn--bcher-kva.test"), GuardianFactory(email="b@home.test")
        store("accounts_user", user.pk, email="a@bücher.test")
        store("accounts_guardian", guardian.pk, email="B@Home.test")

        migration.spell_addresses(apps, None)

        assert User.objects.get().email == "a@xn--bcher-kva.test"
        assert Guardian.objects.get().email == "b@home.test"

    def test_that_become_alike_stay_with_the_older_guardian(self) -> None:
        workspace = WorkspaceFactory()
        older = GuardianFactory(workspace=workspace, email="b@home.test", external_id="G-1")
        younger = GuardianFactory(workspace=workspace, email="c@home.test", external_id="G-2")
        store("accounts_guardian", younger.pk, email="B@Home.test")

        migration.spell_addresses(apps, None)

        assert Guardian.objects.get(pk=older.pk).email == "b@home.test"
        assert (Guardian.objects.get(pk=younger.pk).email, younger.external_id) == (None, "G-2")


@pytest.mark.unordered_locks  # the migration is released, and updates them together
class TestOldLearners:
    def test_are_recognized_by_what_counts_now(self) -> None:
        learner = LearnerFactory(email="sean@home.test", first_name="Sean", last_name="O\u2019Brien")
        expected = learner.person
        store("accounts_learner", learner.pk, person="before", identity="who:before")

        migration.recognize_learners(apps, None)

        learner.refresh_from_db()
        assert (learner.person, learner.identity) == (expected, f"who:{expected}")
        assert not StaffTask.objects.exists()

    def test_that_become_alike_stay_two_with_a_task_for_staff(self) -> None:
        workspace = WorkspaceFactory()
        names = {"workspace": workspace, "email": "sean@home.test", "first_name": "Sean"}
        older = LearnerFactory(**names, last_name="O'Brien")
        younger = LearnerFactory(**names, last_name="Other")
        store("accounts_learner", younger.pk, last_name="O\u2019Brien")

        migration.recognize_learners(apps, None)

        older.refresh_from_db()
        younger.refresh_from_db()
        assert older.person == younger.person
        assert (older.identity, younger.identity) == (f"who:{older.person}", f"twin:{younger.cuid}")
        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("possible_twins", f"learner:{younger.pk}")

    @pytest.mark.sqlite
    def test_that_are_twins_are_both_named_by_their_task_later(self) -> None:
        workspace = WorkspaceFactory()
        names = {"workspace": workspace, "email": "sean@home.test", "first_name": "Sean"}
        older, younger = LearnerFactory(**names, last_name="O'Brien"), LearnerFactory(**names, last_name="Other")
        store("accounts_learner", younger.pk, last_name="O\u2019Brien")
        migration.recognize_learners(apps, None)

        external_ids.name_both_twins(apps, None)

        assert pair_of(StaffTask.objects.get()) == (older.pk, younger.pk)
        external_ids.name_the_younger(apps, None)
        assert StaffTask.objects.get().subject == f"learner:{younger.pk}"

    @pytest.mark.sqlite
    def test_with_an_external_id_can_be_compared_by_it(self) -> None:
        learner = LearnerFactory(external_id="S-0017")
        Learner.objects.update(external_key=None)

        external_ids.fold_external_ids(apps, None)

        learner.refresh_from_db()
        assert learner.external_key == "s17"

    def test_that_are_twins_can_be_saved(self) -> None:
        workspace = WorkspaceFactory()
        names = {"workspace": workspace, "email": "sean@home.test", "first_name": "Sean"}
        LearnerFactory(**names, last_name="O'Brien")
        younger = LearnerFactory(**names, last_name="Other")
        store("accounts_learner", younger.pk, last_name="O\u2019Brien")
        migration.recognize_learners(apps, None)
        twin = Learner.objects.get(pk=younger.pk)

        twin.school = "North"
        twin.save()

        assert Learner.objects.get(pk=younger.pk).identity == f"twin:{younger.cuid}"
