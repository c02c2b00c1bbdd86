"""What staff see of forms and applicants, and what they may do."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from enrollments.models import Application, ApplicationFile, ApplicationQuestion, Enrollment, ProgramInstance
from enrollments.states import QuestionKind
from enrollments.tests.applicants import (
    PDF,
    answer_to,
    apply,
    ask,
    fill_in,
    form_url,
    instance_with_form,
    mailed_link,
    pdf,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return instance_with_form()


def staff(workspace: Workspace, role: Role = Role.REVIEWER) -> StaffClient:
    return StaffClient(workspace=workspace, role=role)


def page(response: Any) -> str:
    return " ".join(response.content.decode().split())


def page_of(row: Any, action: str = "change") -> str:
    return reverse(f"admin:enrollments_{row._meta.model_name}_{action}", args=[row.pk])


def file_url(file: ApplicationFile) -> str:
    return reverse("admin:enrollments_application_file", args=[file.application_id, file.pk])


class TestAReviewer:
    def test_reads_the_answers_beside_the_enrollment(self, instance: ProgramInstance) -> None:
        essay = ask(instance, kind=QuestionKind.LONG_TEXT, label="Why?")
        consent = ask(instance, kind=QuestionKind.CONSENT, label="Photos")
        apply(instance, **answer_to(essay, "Robots\nand more"), **answer_to(consent, "on"))

        shown = page(staff(instance.workspace).get(page_of(Enrollment.objects.get())))

        assert "Why?" in shown
        assert "Robots and more" in shown
        assert "Photos" in shown

    @pytest.mark.sqlite
    def test_reads_answers_to_a_question_that_is_no_longer_asked(self, instance: ProgramInstance) -> None:
        question = ask(instance, label="Why?")
        apply(instance, **answer_to(question, "Robots!"))
        ApplicationQuestion.objects.update(is_asked=False)

        shown = page(staff(instance.workspace).get(page_of(Enrollment.objects.get())))

        assert "Why?" in shown
        assert "Robots!" in shown

    @pytest.mark.sqlite
    def test_downloads_a_file_which_no_browser_runs_and_the_download_is_on_record(
        self, instance: ProgramInstance
    ) -> None:
        apply(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf("report.pdf")))
        reviewer = staff(instance.workspace)
        file = ApplicationFile.objects.get()

        response: Any = reviewer.get(file_url(file))

        assert b"".join(response.streaming_content) == PDF
        assert response["Content-Disposition"] == 'attachment; filename="report.pdf"'
        assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("application/pdf", "nosniff")
        assert "no-store" in response["Cache-Control"]
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (reviewer.user, str(file.application_id))
        assert f"Downloaded file {file.pk}" in entry.change_message

    def test_can_have_a_new_link_mailed_and_the_one_before_ends(self, instance: ProgramInstance) -> None:
        fill_in(instance)
        first = mailed_link()

        staff(instance.workspace).post(page_of(Application.objects.get(), "send_link_again"))

        assert len(mail.outbox) == 2
        assert (Client().get(first).status_code, Client().get(mailed_link(), follow=True).status_code) == (404, 200)


class TestAFile:
    @pytest.mark.sqlite
    @pytest.mark.parametrize("role", [None, Role.VIEWER])
    def test_is_kept_from_who_does_not_decide(self, instance: ProgramInstance, role: Role | None) -> None:
        apply(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()))
        client = staff(instance.workspace, role) if role else Client()

        response = client.get(file_url(ApplicationFile.objects.get()))

        assert response.status_code == (403 if role else 302)
        assert LogEntry.objects.count() == 0

    def test_is_kept_from_staff_of_another_workspace(self, instance: ProgramInstance) -> None:
        apply(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()))

        response = staff(WorkspaceFactory(), Role.OWNER).get(file_url(ApplicationFile.objects.get()))

        assert response.status_code == 404

    @pytest.mark.sqlite
    def test_of_an_unconfirmed_application_is_nobodys(self, instance: ProgramInstance) -> None:
        fill_in(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()))

        response = staff(instance.workspace, Role.OWNER).get(file_url(ApplicationFile.objects.get()))

        assert response.status_code == 404


class TestAnUnconfirmedApplication:
    def test_shows_staff_that_it_waits_and_not_what_it_says(self, instance: ProgramInstance) -> None:
        question = ask(instance)
        fill_in(instance, **answer_to(question, "Robots!"))

        shown = page(staff(instance.workspace).get(page_of(Application.objects.get())))

        assert "waiting" in shown
        assert not [told for told in ("Mia", "Hill School", "Robots!") if told in shown]


class TestAFormOfAnInstance:
    def test_that_is_closed_is_shown_to_its_staff_alone(self) -> None:
        instance = instance_with_form(takes_applications=False)

        ours = page(staff(instance.workspace, Role.VIEWER).get(form_url(instance)))
        theirs = page(staff(WorkspaceFactory(), Role.OWNER).get(form_url(instance)))

        assert "Preview" in ours
        assert "Applications are closed" in theirs

    def test_that_is_closed_takes_nothing_from_its_staff(self) -> None:
        instance = instance_with_form(takes_applications=False)

        fill_in(instance, client=staff(instance.workspace))

        assert (Application.objects.count(), len(mail.outbox)) == (0, 0)

    @pytest.mark.sqlite
    def test_gets_its_questions_on_the_page_of_the_instance(self, instance: ProgramInstance) -> None:
        response = save_questions(instance, {"label": "Which day?", "kind": "choice", "options": "Monday\nFriday"})

        assert response.status_code == 302
        question = ApplicationQuestion.objects.get()
        assert (question.label, question.choices) == ("Which day?", ["Monday", "Friday"])

    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("questions", "remedy"),
        [
            ([{"kind": "choice", "options": "Monday"}], "Give a choice two options or more, one in each line."),
            ([{"kind": "number", "options": "1\n2"}], "Only a choice has options."),
            ([{"kind": "file"}] * 4, "Ask for at most 3 files."),
            ([{}] * 31, "Ask at most 30 questions."),
        ],
        ids=["one option", "options of a number", "four files", "thirty-one questions"],
    )
    def test_refuses_questions_that_nobody_could_answer(
        self, instance: ProgramInstance, questions: list[dict[str, str]], remedy: str
    ) -> None:
        response = save_questions(instance, *questions)

        assert response.status_code == 200
        assert remedy in page(response)
        assert ApplicationQuestion.objects.count() == 0


def save_questions(instance: ProgramInstance, *questions: dict[str, str]) -> Any:
    """Save the instance page with these new questions."""
    fields = {
        "program": instance.program_id,
        "name": instance.name,
        "review_mode": instance.review_mode,
        "active": "on",
        "takes_applications": "on",
        "questions-TOTAL_FORMS": len(questions),
        "questions-INITIAL_FORMS": 0,
    }
    for number, question in enumerate(questions):
        row = {"position": number, "label": f"Question {number}", "kind": "short_text", "is_asked": "on"} | question
        fields |= {f"questions-{number}-{name}": value for name, value in row.items()}
    return staff(instance.workspace, Role.ADMIN).post(page_of(instance), fields)
