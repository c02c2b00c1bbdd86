"""An erased person is found nowhere any more, and what was counted and paid stays."""

import datetime as dt
import json
import logging
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models

from accounts.guardian_records import register_guardian
from accounts.invariants import no_task_asks_for_an_address_that_is_there
from accounts.learners import find_or_create_learner
from accounts.merging import merge_learners
from accounts.models import Consent, Guardian, Learner, StaffTask, User
from accounts.tests.factories import (
    ConsentTextFactory,
    GuardianFactory,
    GuardianshipFactory,
    LearnerFactory,
    UserFactory,
    WorkspaceFactory,
)
from billing.models import Checkout, Invoice, Payment
from cohorts.tests.factories import buy_on_rows, cohort_with, reserve
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid, NotFound
from core.invariants import Extent
from core.personal import Fate
from enrollments.models import Enrollment, EnrollmentDecision, SeatAssignment
from enrollments.states import ParticipationStatus
from enrollments.tests.factories import CandidateFactory
from events.models import OutboxEvent
from notifications.sending import send_due_notifications
from partners.models import EnrollmentStep
from partners.tests.factories import approved, steps_of
from privacy.document import table
from privacy.erasing import foresee_erasure, forget_papers, repeat_erasures
from privacy.errors import ErasureRefused
from privacy.locks import AFTER_ENROLLMENTS, BEFORE_ENROLLMENTS
from privacy.models import Erasure
from privacy.registry import PERSONAL, personal_columns
from privacy.states import ErasureReason
from privacy.tests.erasures import erase
from tests.lock_order import name_of, written_order

from .canary import CANARIES, FIRST, GUARDIAN, LAST, LEARNER, build_canary, forget_files, places_of_canary
from .impersonal import IMPERSONAL

pytestmark = pytest.mark.django_db

# A column that is unique, or leads to what else is known.
BY_WHICH_THEY_ARE_FOUND = {"identity", "external_id", "email"}
TEXTS = (models.CharField, models.TextField, models.JSONField, models.FileField)


class TestTheRegistry:
    def test_knows_every_column_that_could_hold_words(self) -> None:
        """A new column is personal, and `personal` of its app says what erasing does; or it stands in impersonal.py."""
        for model in apps.get_models():
            texts = {each.name for each in model._meta.concrete_fields if isinstance(each, TEXTS) and not each.choices}
            impersonal = set(IMPERSONAL.get(model._meta.label, "").split())
            personal = set(personal_columns(model))
            assert impersonal & personal == set(), model._meta.label
            assert texts - personal - impersonal == set(), model._meta.label
            assert impersonal - texts == set(), model._meta.label

    def test_is_what_the_page_shows(self) -> None:
        assert table() in (Path(__file__).resolve().parents[2] / "docs" / "privacy.md").read_text()

    def test_says_why_something_is_kept(self) -> None:
        assert [each.model for each in PERSONAL if each.fate is Fate.KEPT and not each.why] == []
        assert [
            each.model for each in PERSONAL if each.fate is not Fate.KEPT and not (each.rows_of or each.erase)
        ] == []


@pytest.fixture
def canary(tmp_path: Any, settings: Any, caplog: Any, django_capture_on_commit_callbacks: Any) -> Learner:
    forget_files()
    on_disk = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"private": on_disk}
    caplog.set_level(logging.INFO)
    with django_capture_on_commit_callbacks(execute=True):
        return build_canary()


class TestTheLocks:
    def test_are_taken_in_the_written_order_on_every_model_that_is_erased_and_locked(self) -> None:
        ranks = written_order()
        locked: list[type[models.Model]] = [*BEFORE_ENROLLMENTS, Enrollment, *AFTER_ENROLLMENTS]
        names = [name_of(model) for model in locked]

        assert [ranks[str(name)] for name in names] == sorted(ranks[str(name)] for name in names)
        emptied = {each.model for each in PERSONAL if each.fate is not Fate.KEPT and name_of(each.model)}
        assert emptied - set(locked) == set()


class TestErasing:
    def test_leaves_nothing_of_the_person_anywhere(
        self, canary: Learner, caplog: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        before = places_of_canary(more=caplog.text)

        with django_capture_on_commit_callbacks(execute=True):
            erase(canary)

        assert places_of_canary(more=caplog.text) == {"billing_invoice", "notifications_notification"}
        send_due_notifications(now=utc_now())  # the last mail, and where it went
        assert places_of_canary(more=caplog.text) == {"billing_invoice"}
        forget_papers(limit=10, now=utc_now() + dt.timedelta(days=366 * 11))
        assert places_of_canary(more=caplog.text) == set()
        assert before >= {
            "accounts_learner",
            "accounts_guardian",
            "accounts_user",
            "accounts_stafftask",
            "account_emailaddress",
            "backoffice_auditentry",
            "django_admin_log",
            "enrollments_enrollmentdecision",
            "enrollments_application",
            "enrollments_applicationfile",
            "enrollments_enrollment",
            "enrollments_enrollmenttransition",
            "enrollments_inquiry",
            "events_outboxevent",
            "notifications_notification",
            "cohorts_stepprogress",
            "partners_certificate",
            "file in exports",
            "file in applications",
        }

    def test_leaves_what_was_counted_and_paid(self, canary: Learner) -> None:
        counted = [Payment, Enrollment, EnrollmentDecision, SeatAssignment]
        before = [list(model._default_manager.order_by("pk").values_list("pk", flat=True)) for model in counted]
        amounts = list(Payment.objects.values_list("amount_minor", "status"))

        erase(canary)

        assert [list(model._default_manager.order_by("pk").values_list("pk", flat=True)) for model in counted] == before
        assert list(Payment.objects.values_list("amount_minor", "status")) == amounts

    def test_empties_every_column_that_the_registry_names(
        self, canary: Learner, django_capture_on_commit_callbacks: Any
    ) -> None:
        person = foresee_erasure(workspace_id=canary.workspace_id, learner_cuid=canary.cuid, now=utc_now()).person
        planted = 0
        for each in PERSONAL:
            if each.rows_of is None or each.fate is not Fate.REPLACED or each.erase is not None:
                continue
            for name in each.columns:
                if name in (each.values or {}) and name not in BY_WHICH_THEY_ARE_FOUND:
                    planted += _plant(each.rows_of(person), each.model._meta.get_field(name))

        with django_capture_on_commit_callbacks(execute=True):
            erase(canary)
        send_due_notifications(now=utc_now())

        assert planted > 30
        assert places_of_canary() == {"billing_invoice"}

    def test_twice_is_once(self) -> None:
        learner = LearnerFactory()

        first, second = erase(learner), erase(learner, now=utc_now() + dt.timedelta(days=1))

        assert first == second
        assert Erasure.objects.count() == 1

    def test_finds_them_by_the_id_of_one_who_was_merged_into_them(self) -> None:
        drop = LearnerFactory(email="a@home.test")
        keep = LearnerFactory(workspace=drop.workspace, email="b@home.test")
        merge_learners(keep_id=keep.pk, drop_id=drop.pk, reason="One", actor=SYSTEM, now=utc_now())

        by_either = erase(drop), erase(keep)

        assert by_either[0] == by_either[1]
        assert by_either[0].learner_cuid == keep.cuid
        assert set(Learner.objects.values_list("first_name", flat=True)) == {"Erased"}

    def test_leaves_the_account_of_somebody_who_answers_for_a_child_elsewhere(self) -> None:
        user = UserFactory(email=GUARDIAN)
        GuardianFactory(email=GUARDIAN)
        learner = LearnerFactory(user=user)

        erase(learner)

        kept = User.objects.get()
        assert (kept.email, kept.is_active) == (GUARDIAN, True)

    def test_takes_the_account_along_that_is_theirs_alone(self) -> None:
        learner = LearnerFactory(user=UserFactory(email=GUARDIAN))

        erase(learner)

        gone = User.objects.get()
        assert (gone.email, gone.is_active) == (f"user-{gone.pk}@erased.invalid", False)

    def test_leaves_a_guardian_of_another_child_as_they_are(self) -> None:
        guardian = GuardianFactory(email=GUARDIAN, last_name=LAST)
        learner, sibling = (LearnerFactory(workspace=guardian.workspace) for _ in range(2))
        for child in (learner, sibling):
            GuardianshipFactory(guardian=guardian, learner=child)
        user = UserFactory(email=GUARDIAN)

        erase(learner)

        kept = Guardian.objects.get()
        assert (kept.email, kept.last_name, list(kept.learners.all())) == (GUARDIAN, LAST, [sibling])
        assert User.objects.get(pk=user.pk).is_active

    def test_leaves_the_account_of_somebody_who_works_here(self) -> None:
        staff = UserFactory(email=GUARDIAN, is_staff=True)
        guardian = GuardianFactory(email=GUARDIAN)
        learner = LearnerFactory(workspace=guardian.workspace)
        GuardianshipFactory(guardian=guardian, learner=learner)

        erase(learner)

        assert User.objects.get(pk=staff.pk).email == GUARDIAN

    def test_makes_room_for_somebody_of_the_same_name(self) -> None:
        learner = LearnerFactory(first_name=FIRST, last_name=LAST, email=LEARNER)
        erase(learner)

        again, is_new = find_or_create_learner(
            workspace_id=learner.workspace_id, email=LEARNER, first_name=FIRST, last_name=LAST
        )

        assert is_new
        assert again.pk != learner.pk

    def test_asks_staff_to_have_it_erased_elsewhere(self, canary: Learner) -> None:
        buy_on_rows(cohort_with(options=(1,)))
        session, _ = Checkout.objects.order_by("pk").values_list("stripe_session_id", flat=True)
        known = EnrollmentStep.objects.get()
        another = steps_of(approved())[0]
        EnrollmentStep.objects.filter(pk=known.pk).update(external_enrollment_id="E-1")
        EnrollmentStep.objects.filter(pk=another.pk).update(external_enrollment_id="E-2")
        for number, invoice in enumerate(Invoice.objects.order_by("payment__checkout"), start=1):
            Invoice.objects.filter(pk=invoice.pk).update(external_id=f"F-{number}")

        erase(canary)

        task = StaffTask.objects.get(kind="erase_elsewhere")
        assert task.subject == f"learner:{canary.pk}"
        assert task.summary == (
            f"Others still know an erased learner: Stripe ({session}); the issuer of invoices (F-1); "
            f"{known.provider.name} (E-1)."
        )

    def test_settles_what_staff_were_to_ask_or_find_out(self) -> None:
        """Nobody could: what each task is about is gone. Tasks about others and about money stay."""
        workspace = WorkspaceFactory()
        learner, twin, other = LearnerFactory.create_batch(3, workspace=workspace)
        guardian = GuardianFactory(workspace=workspace, email=None, external_id="G-1")
        GuardianshipFactory(guardian=guardian, learner=learner)
        text = ConsentTextFactory(workspace=workspace)
        consent = Consent.objects.create(
            workspace=workspace, learner=learner, text=text, purpose=text.purpose, way="form", recorded_by="family"
        )
        moot = {
            "guardian_without_address": f"guardian:{guardian.pk}",
            "guardian_invitation_unanswered": f"guardian:{guardian.pk}",
            "name_change_asked": f"learner:{learner.pk}",
            "deletion_asked": f"learner:{learner.pk}",
            "consent_withdrawn": f"consent:{consent.pk}",
            "possible_twins": f"learner:{learner.pk}/learner:{twin.pk}",
        }
        stay = {"possible_twins": f"learner:{twin.pk}/learner:{other.pk}", "erase_elsewhere": f"learner:{learner.pk}"}
        for kind, subject in (*moot.items(), *stay.items()):
            StaffTask.objects.create(workspace=workspace, kind=kind, subject=subject, summary="Look.")

        erase(learner)

        waiting = StaffTask.objects.filter(status="open")
        assert dict(waiting.values_list("kind", "subject")) == stay
        assert set(StaffTask.objects.filter(status="done").values_list("resolution", flat=True)) == {"Erased."}
        assert (Erasure.objects.get().payments, Erasure.objects.get().papers_until) == ([], None)
        assert list(no_task_asks_for_an_address_that_is_there(Extent(now=utc_now()))) == []

    def test_deletes_what_waits_for_a_decision(self) -> None:
        candidate = CandidateFactory()

        erase(candidate.learner)

        candidate.refresh_from_db()
        assert candidate.deleted_at is not None
        assert OutboxEvent.objects.filter(type="enrollment.deleted").count() == 1

    def test_leaves_nobody_to_whom_a_guardian_could_be_given(self) -> None:
        learner = LearnerFactory()
        erase(learner)

        with pytest.raises(Invalid, match="no such learner"):
            register_guardian(
                workspace_id=learner.workspace_id, external_id="G-1", email=None, learner_ids=[learner.cuid]
            )

        assert not Guardian.objects.exists()

    def test_of_nobody_is_refused(self) -> None:
        learner = LearnerFactory()
        erase(learner)
        Erasure.objects.all().delete()

        with pytest.raises(NotFound):
            erase(learner)


class TestWhatStandsAgainstIt:
    def test_is_an_enrollment_that_goes_on(self, canary: Learner) -> None:
        Enrollment.objects.filter(learner=canary).update(participation_status=ParticipationStatus.NOT_STARTED)

        with pytest.raises(ErasureRefused, match="is going on: end it"):
            erase(canary)

        assert Learner.objects.get(pk=canary.pk).first_name == FIRST

    def test_is_a_place_that_is_held(self) -> None:
        cohort = cohort_with()
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        reserve(cohort, learner)

        with pytest.raises(
            ErasureRefused, match=r"A place in .+ is held for them: .* Checkout of [\d.]+ USD can still be paid"
        ):
            erase(learner)


class TestARestoredBackup:
    def test_has_the_erased_erased_again_whatever_goes_on_in_it(
        self, canary: Learner, django_capture_on_commit_callbacks: Any
    ) -> None:
        kept = Erasure(
            workspace=canary.workspace,
            learner_cuid=canary.cuid,
            reason=ErasureReason.ASKED,
            actor="system",
            erased_at=utc_now(),
        )
        Enrollment.objects.filter(learner=canary).update(participation_status=ParticipationStatus.NOT_STARTED)

        with django_capture_on_commit_callbacks(execute=True):
            repeated = repeat_erasures([kept]), repeat_erasures([kept])

        assert repeated == (1, 0)
        assert places_of_canary() == {"billing_invoice"}


class TestTheCommand:
    def run(self, learner: Learner, *more: str) -> dict[str, Any]:
        out = StringIO()
        named = ("--workspace", learner.workspace.slug, "--learner", learner.cuid, "--reason", "asked", "--json")
        call_command("erase_learner", *named, *more, stdout=out)
        told: dict[str, Any] = json.loads(out.getvalue())
        return told

    def test_counts_first_and_then_erases(self, canary: Learner) -> None:

        foreseen = self.run(canary, "--dry-run")
        done = self.run(canary)

        assert foreseen["rows"]["learners"] == 2  # one was merged into the other
        assert foreseen["obstacles"] == []
        assert done["rows"] >= 20
        assert Learner.objects.get(pk=canary.pk).erased_at is not None

    def test_says_what_is_in_the_way(self, canary: Learner) -> None:
        Enrollment.objects.filter(learner=canary).update(participation_status=ParticipationStatus.NOT_STARTED)

        assert "is going on" in self.run(canary, "--dry-run")["obstacles"][0]
        with pytest.raises(CommandError, match="is going on"):
            self.run(canary)


def _plant(rows: models.QuerySet[Any], field: Any) -> int:
    """Write a canary into a column of these rows, as it may stand there."""
    if isinstance(field, models.JSONField):
        value: Any = {"said": CANARIES[0]} if field.default is dict else [CANARIES[0]]
    elif isinstance(field, models.CharField | models.TextField):
        value = LEARNER if "email" in field.name else FIRST
    else:
        return 0
    return models.QuerySet.update(rows, **{field.name: value})
