"""Exports of lists: what they show to whom, how they are written, and when they expire."""

import csv
import datetime as dt
import io
import zipfile
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Learner, Membership
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, UserFactory, WorkspaceFactory
from backoffice.exporting import files, jobs
from backoffice.exporting.files import harmless, path_of
from backoffice.exporting.jobs import KEPT, continue_due_exports, forget_old_exports, write_export
from backoffice.exporting.links import export_url, find_linked_export
from backoffice.models import Export
from core.clock import utc_now
from core.errors import NotFound
from core.jobs import JobStatus

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/learner/"
STAFF_DOOR = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def workspace():
    return WorkspaceFactory()


@pytest.fixture
def staff(workspace):
    return member_of(workspace)


def member_of(workspace: Any) -> Any:
    user = UserFactory(is_staff=True)
    Membership.objects.create(user=user, workspace=workspace, role=Role.VIEWER)
    return user


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend=STAFF_DOOR)
    return client


def ask_for(user: Any, *, format: str = "csv", query: str = "", selected: list[Learner] | None = None) -> Export:
    """Do what staff do on the list of learners: choose rows or all, and the action."""
    first = Learner.objects.order_by("pk").first()
    keys = [learner.pk for learner in (selected or [first])]
    chosen = {"action": f"export_{format}", "select_across": "0" if selected else "1", "_selected_action": keys}
    response = signed_in(user).post(f"{LIST}{query}", chosen)
    assert response.status_code == 302
    export = Export.objects.latest("pk")
    assert response["Location"] == reverse("admin:backoffice_export_change", args=[export.pk])
    return export


def written(export: Export) -> Export:
    write_export(export_id=export.pk, now=utc_now())
    export.refresh_from_db()
    assert export.status == JobStatus.COMPLETED, export.last_error
    return export


def rows_of(export: Export) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path_of(export).read_text(encoding="utf-8-sig"))))


class TestAListOfTheBackOffice:
    @pytest.mark.sqlite
    def test_is_exported_as_its_page_shows_it(self, staff, workspace):
        LearnerFactory(workspace=workspace, first_name="Ada", last_name="Lovelace", email="ada@school.test")

        export = written(ask_for(staff))

        [row] = rows_of(export)
        assert row["Learner"] == "Ada Lovelace ada@school.test"
        assert export.counts == {"rows": 1}
        assert (export.total, export.done) == (1, 1)

    def test_shows_no_row_of_another_workspace(self, staff, workspace):
        LearnerFactory(workspace=workspace, email="ours@school.test")
        LearnerFactory(email="theirs@school.test")

        export = written(ask_for(staff))

        assert "ours@school.test" in path_of(export).read_text()
        assert "theirs@school.test" not in path_of(export).read_text()

    def test_is_narrowed_as_its_page_is(self, staff, workspace):
        LearnerFactory(workspace=workspace, email="ada@school.test")
        LearnerFactory(workspace=workspace, email="bob@school.test")

        export = written(ask_for(staff, query="?q=bob@school.test"))

        assert len(rows_of(export)) == 1
        assert "bob@school.test" in path_of(export).read_text()

    def test_of_selected_rows_holds_those(self, staff, workspace):
        learners = [LearnerFactory(workspace=workspace, email=f"{number}@school.test") for number in range(3)]

        export = written(ask_for(staff, selected=learners[1:]))

        assert len(rows_of(export)) == 2
        assert "0@school.test" not in path_of(export).read_text()

    def test_is_empty_for_somebody_who_left_before_it_was_written(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        export = ask_for(staff)
        Membership.objects.all().delete()

        assert rows_of(written(export)) == []

    def test_opens_as_an_excel_file_whose_cells_are_text(self, staff, workspace):
        LearnerFactory(workspace=workspace, first_name="=1+1", email="ada@school.test")

        export = written(ask_for(staff, format="xlsx"))

        with zipfile.ZipFile(path_of(export)) as book:
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert "ada@school.test" in sheet
        assert "=1+1" in sheet
        assert "<f>" not in sheet

    def test_goes_to_further_sheets_where_one_has_no_room(self, staff, workspace, monkeypatch):
        monkeypatch.setattr(files, "XLSX_ROWS", 2)
        for number in range(5):
            LearnerFactory(workspace=workspace, email=f"{number}@school.test")

        export = written(ask_for(staff, format="xlsx"))

        with zipfile.ZipFile(path_of(export)) as book:
            sheets = [book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2, 3)]
        assert [sheet.count("@school.test") for sheet in sheets] == [2, 2, 1]
        assert [sheet.count("<row ") for sheet in sheets] == [3, 3, 2]
        assert all("Learner" in sheet for sheet in sheets)

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("+1 415", "'+1 415"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("-12.50", "-12.50"),
            ("Ada", "Ada"),
            ("", ""),
        ],
    )
    def test_carries_nothing_out_in_a_spreadsheet(self, text, shown):
        assert harmless(text) == shown


class TestAnExport:
    def test_is_written_in_batches_and_taken_up_where_it_was_left(self, staff, workspace, monkeypatch, folder):
        monkeypatch.setattr(jobs, "BATCH", 2)
        monkeypatch.setattr(jobs, "BATCHES_IN_A_ROW", 1)
        learners = [LearnerFactory(workspace=workspace, email=f"{number}@school.test") for number in range(5)]
        export = ask_for(staff)

        write_export(export_id=export.pk, now=utc_now())
        export.refresh_from_db()
        with (folder / f"{export.cuid}.draft").open("ab") as draft:
            draft.write(b'["what a worker wrote that died before it committed"]\n')
        write_export(export_id=export.pk, now=utc_now())
        export.refresh_from_db()
        still_running = export.status
        written(export)

        assert still_running == JobStatus.RUNNING
        assert len(rows_of(export)) == len(learners)
        assert "died" not in path_of(export).read_text()
        assert [path.name for path in folder.iterdir()] == [path_of(export).name]

    def test_that_no_worker_took_is_written_by_the_sweep(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        export = ask_for(staff)

        assert continue_due_exports(limit=5, now=utc_now()) == 1

        export.refresh_from_db()
        assert export.status == JobStatus.COMPLETED

    def test_takes_the_same_statements_for_a_batch_however_large(self, staff, workspace, django_assert_max_num_queries):
        for _ in range(20):
            LearnerFactory(workspace=workspace)
        export = ask_for(staff)

        with django_assert_max_num_queries(27):
            written(export)


class TestTheLink:
    def test_opens_for_whoever_asked_while_they_are_signed_in(self, staff, workspace):
        LearnerFactory(workspace=workspace, email="ada@school.test")
        address = export_url(written(ask_for(staff)), now=utc_now())

        response = signed_in(staff).get(address)

        assert response.status_code == 200
        assert response["Content-Disposition"].startswith("attachment")
        assert b"ada@school.test" in response.getvalue()

    def test_opens_for_nobody_else(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        address = export_url(written(ask_for(staff)), now=utc_now())
        family = Client()
        family.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")

        answers = [client.get(address).status_code for client in (Client(), family, signed_in(member_of(workspace)))]

        assert answers == [404, 404, 404]

    def test_opens_no_longer_for_somebody_who_left_the_workspace(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        address = export_url(written(ask_for(staff)), now=utc_now())
        Membership.objects.all().delete()
        Membership.objects.create(user=staff, workspace=WorkspaceFactory(), role=Role.OWNER)

        assert signed_in(staff).get(address).status_code == 404

    def test_waits_for_the_second_factor_that_the_workspace_asks_for(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        address = export_url(written(ask_for(staff)), now=utc_now())
        workspace.second_factor_from = utc_now()
        workspace.save()

        assert signed_in(staff).get(address).status_code == 404

    def test_that_is_forged_leads_nowhere(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        export = written(ask_for(staff))

        for token in (export.cuid, f"{export.cuid}.forged"):
            with pytest.raises(NotFound):
                find_linked_export(token, user=staff, now=utc_now())

    def test_ends_after_a_day_with_the_file(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        export = written(ask_for(staff))
        token = str(export_url(export, now=utc_now())).rpartition("/")[2]
        later = export.finished_at + KEPT

        before = forget_old_exports(limit=5, now=later - dt.timedelta(seconds=1))
        kept = path_of(export).exists()
        with pytest.raises(NotFound):
            find_linked_export(token, user=staff, now=later)
        after = forget_old_exports(limit=5, now=later)

        assert (before, kept, after) == (0, True, 1)
        assert not path_of(export).exists()
        export.refresh_from_db()
        assert export.file_deleted_at == later

    def test_is_on_a_page_whose_file_nobody_else_is_offered(self, staff, workspace):
        LearnerFactory(workspace=workspace)
        export = written(ask_for(staff))
        page = reverse("admin:backoffice_export_change", args=[export.pk])

        own = signed_in(staff).get(page).content.decode()
        colleague = signed_in(member_of(workspace)).get(page).content.decode()
        stranger = signed_in(member_of(WorkspaceFactory())).get(page)

        assert "Download" in own
        assert "1 of 1 rows" in own
        assert "Learners" in own
        assert "1 of 1 rows" in colleague
        assert "Download" not in colleague
        assert stranger.status_code == 302


def test_files_that_no_export_knows_go_after_a_day(folder):
    stray = folder / "cstray.csv"
    stray.write_text("x")

    forget_old_exports(limit=5, now=utc_now())
    young = stray.exists()
    forget_old_exports(limit=5, now=utc_now() + 2 * KEPT)

    assert (young, stray.exists()) == (True, False)
