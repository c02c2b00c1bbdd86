"""What is stored about a learner: a family reads it, downloads it, and asks to have it deleted; nobody else can."""

import errno
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.consents import give_consents
from accounts.models import Consent, ConsentText, Guardian, Learner, StaffTask
from accounts.staff_tasks import settle_staff_task
from accounts.states import ConsentWay
from accounts.tests.factories import ConsentTextFactory, GuardianFactory, GuardianshipFactory, LearnerFactory
from backoffice.models import AuditEntry
from billing.models import Invoice
from cohorts.models import StudentPackage
from cohorts.tests.browsing import PARENT, child_of, signed_in, text
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.actors import Actor
from core.clock import utc_now
from enrollment_project.learner_data.export import export_learner
from enrollment_project.learner_data.stored import KINDS, LEFT_OUT, count_stored
from enrollments.models import ApplicationFile, Enrollment
from enrollments.states import QuestionKind
from enrollments.tests.applicants import PDF, answer_to, apply, ask, instance_with_form, pdf
from partners.models import Certificate
from privacy.task_kinds import DELETION_ASKED
from privacy.wishes import ask_for_deletion, find_asked
from tests.commands import run_json

pytestmark = pytest.mark.django_db

OTHER = "other-guardian@families.test"
FAMILY = Actor("user", 7)


def bought() -> Learner:
    """A learner of the parent and of another guardian, with a course that the parent paid for, and a certificate."""
    cohort = cohort_with(options=(1,))
    learner = child_of(cohort)
    package = buy_on_rows(cohort, learner)
    GuardianshipFactory(learner=learner, guardian=GuardianFactory(workspace=learner.workspace, email=OTHER))
    Invoice.objects.update(buyer_email=PARENT)
    Certificate.objects.create(
        enrollment=package.enrollment,
        learner_name=str(learner),
        program_title="Robots",
        issued_at=utc_now(),
        issued_by="user:4711",
    )
    return learner


def agreed(learner: Learner, text: ConsentText, address: str) -> Consent:
    [given] = give_consents(
        learner_id=learner.pk,
        address=address,
        text_ids=[text.pk],
        way=ConsentWay.FORM,
        actor=FAMILY,
        now=utc_now(),
    )
    return given


def export(learner: Learner, reader: str = PARENT) -> dict[str, bytes]:
    with export_learner(learner=learner, reader=reader, actor=FAMILY, now=utc_now()) as made:
        return files_in(made.read())


def files_in(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pointing_at_learners() -> Iterator[tuple[str, str]]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.related_model in (Learner, Enrollment, StudentPackage):
                yield model.__name__, field.name


class TestTheKinds:
    def test_tell_of_each_row_that_points_at_a_learner_or_the_reason_why_not(self) -> None:
        told = {kind.model.__name__ for kind in KINDS}

        assert {each for each in pointing_at_learners() if each[0] not in told} - {("Learner", "merged_into")} == set(
            LEFT_OUT
        )

    @pytest.mark.sqlite
    def test_are_counted_in_a_query_each_however_many_learners_there_are(self) -> None:
        learners = [learner.pk for learner in LearnerFactory.create_batch(3)]

        with CaptureQueriesContext(
            connection,
        ) as asked:
            counts = count_stored(learners)

        assert len(asked) == len(KINDS)
        assert counts == {learner: {"learner": 1} for learner in learners}


class TestTheExport:
    @pytest.mark.sqlite
    def test_has_the_rows_the_papers_and_a_page_to_read_and_nothing_about_others(self) -> None:
        learner = bought()
        stranger = child_of(cohort_with(options=(1,)), "Zebediah")

        found = export(learner)

        assert json.loads(found["data/learner.json"])[0]["first_name"] == learner.first_name
        assert len(json.loads(found["data/payments_for_courses.json"])) == 1
        assert [name for name in found if name.startswith("certificates/")] != []
        assert [name for name in found if name.startswith("invoices/")] != []
        assert "Courses" in found["index.html"].decode()
        everything = b"".join(content for name, content in found.items() if not name.endswith(".pdf")).decode()
        assert OTHER not in everything
        assert "4711" not in everything
        assert stranger.first_name not in everything

    def test_leaves_out_invoices_that_were_written_to_somebody_else(self) -> None:
        assert [name for name in export(bought(), reader=OTHER) if name.startswith("invoices/")] == []

    def test_has_the_files_and_answers_of_applications(self) -> None:
        instance = instance_with_form()
        report, why = ask(instance, QuestionKind.FILE), ask(instance)
        apply(instance, **answer_to(report, pdf()), **answer_to(why, "Because of robots"))
        learner = Learner.objects.get()

        found = export(learner)

        assert found[f"files/{ApplicationFile.objects.get().cuid}-report.pdf"] == PDF
        assert "Because of robots" in found["data/answers.json"].decode()


class TestTheCommand:
    def test_counts_first_and_writes_a_file_that_only_its_owner_reads(self, tmp_path: Path) -> None:
        learner = bought()
        out = tmp_path / "learner.zip"
        guardian = Guardian.objects.get(email=PARENT)
        arguments = ("export_learner", learner.cuid, "--out", str(out), "--guardian", str(guardian.pk))

        counted = run_json(*arguments, "--dry-run")
        assert not out.exists()
        report = run_json(*arguments)

        assert (counted["kinds"], counted["file"]) == (report["kinds"], None)
        assert out.stat().st_mode & 0o777 == 0o600
        assert "index.html" in files_in(out.read_bytes())
        written = AuditEntry.objects.get()
        assert (written.actor, written.action) == ("system", "Downloaded all that is stored")
        assert (written.model, written.object_id) == ("accounts.learner", str(learner.pk))
        assert written.workspace_id == learner.workspace_id

    def test_overwrites_no_file_and_does_not_say_that_it_was_downloaded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        learner = LearnerFactory()
        monkeypatch.chdir(tmp_path)
        first = Path(run_json("export_learner", learner.cuid)["file"]).read_bytes()

        with pytest.raises(CommandError, match=rf"^learner-{learner.cuid}\.zip: File exists\. Name another"):
            run_json("export_learner", learner.cuid)

        assert [path.read_bytes() for path in tmp_path.iterdir()] == [first]
        assert AuditEntry.objects.count() == 1

    def test_leaves_no_file_that_could_not_be_filled(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("shutil.copyfileobj", refuse)

        with pytest.raises(CommandError, match="No space left"):
            run_json("export_learner", LearnerFactory().cuid)

        assert list(tmp_path.iterdir()) == []

    def test_refuses_a_guardian_of_somebody_else(self, tmp_path: Path) -> None:
        out = str(tmp_path / "learner.zip")

        with pytest.raises(CommandError, match="no such guardian"):
            run_json("export_learner", LearnerFactory().cuid, "--out", out, "--guardian", "4711")

        assert not Path(out).exists()


class TestAskingForDeletion:
    @pytest.mark.sqlite
    def test_is_one_task_until_it_is_answered(self) -> None:
        learner = LearnerFactory()
        assert find_asked([learner.pk]) == {}

        first = ask_for_deletion(learner_id=learner.pk, actor=FAMILY, now=utc_now())
        assert ask_for_deletion(learner_id=learner.pk, actor=FAMILY, now=utc_now()) == first

        assert find_asked([learner.pk]) == {learner.pk: first.created_at}
        assert (first.kind, first.subject) == ("deletion_asked", f"learner:{learner.pk}")
        settle_staff_task(kind=DELETION_ASKED, subject=first.subject, resolution="Done.", now=utc_now())
        assert find_asked([learner.pk]) == {}
        assert Learner.objects.filter(pk=learner.pk).exists()


class TestThePages:
    def test_show_what_is_stored_hand_it_out_and_take_the_wish_to_delete_it(self) -> None:
        learner, (parent, user) = bought(), signed_in()
        delete = reverse("my-data-delete", args=[learner.cuid])

        page = text(parent.get(reverse("my-data")))
        assert "<span>Courses</span> <strong>1</strong>" in page
        assert f'href="{delete}"' in page
        answer: Any = parent.get(reverse("my-data-download", args=[learner.cuid]))
        assert "no-store" in answer["Cache-Control"]
        assert "index.html" in files_in(b"".join(answer.streaming_content))
        assert AuditEntry.objects.get().actor == f"user:{user.pk}"
        assert parent.get(delete).status_code == 200
        assert not StaffTask.objects.exists()
        assert parent.post(delete, follow=True).status_code == 200

        assert StaffTask.objects.get().subject == f"learner:{learner.pk}"
        assert "to have it deleted" in text(parent.get(reverse("my-data")))

    def test_show_what_the_person_agreed_to_and_let_it_be_withdrawn(self) -> None:
        learner, (parent, _) = bought(), signed_in()
        photos = ConsentTextFactory(workspace=learner.workspace, purpose="photos", text="May we show them?")
        mine, theirs = (agreed(learner, photos, address) for address in (PARENT, OTHER))
        withdraw, of_other = (reverse("my-consent", args=[learner.cuid, each.pk]) for each in (mine, theirs))

        page = text(parent.get(reverse("my-data")))
        assert (f'href="{withdraw}"' in page, of_other in page) == (True, False)
        assert parent.get(of_other).status_code == 404
        assert "May we show them?" in text(parent.get(withdraw))
        assert parent.post(withdraw, follow=True).status_code == 200

        assert list(Consent.objects.filter(ended_at=None)) == [theirs]
        assert parent.get(withdraw).status_code == 404

    def test_show_a_strangers_learner_to_nobody(self) -> None:
        learner, (stranger, _) = child_of(cohort_with(options=(1,))), signed_in("stranger@families.test")

        assert str(learner) not in text(stranger.get(reverse("my-data")))
        for name in ("my-data-download", "my-data-delete"):
            assert stranger.get(reverse(name, args=[learner.cuid])).status_code == 404
        assert stranger.post(reverse("my-data-delete", args=[learner.cuid])).status_code == 404
        assert not StaffTask.objects.exists()

    def test_sign_out_of_every_browser_once_that_is_confirmed(self) -> None:
        (here, user), there, leave = signed_in(), signed_in("unused@families.test")[0], reverse("my-sign-out")
        there.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        here.get(leave)
        assert there.get(reverse("my-data")).status_code == 200

        here.post(leave)

        assert [browser.get(reverse("my-data")).status_code for browser in (here, there)] == [302, 302]
