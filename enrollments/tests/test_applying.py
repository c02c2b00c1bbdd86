"""The public form: who may fill it in, what it rejects, and what waits for a confirmed address."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import Consent, Guardian, Learner
from accounts.tests.factories import ConsentTextFactory
from core.clock import utc_now
from core.ids import new_cuid
from core.tests.clamd import EICAR, running_clamd
from enrollments.models import Application, ApplicationFile, Enrollment
from enrollments.models.forms import files_of_applications
from enrollments.states import QuestionKind
from enrollments.tests.applicants import (
    answer_to,
    apply,
    ask,
    fill_in,
    form_url,
    instance_with_form,
    large,
    mailed_link,
    pdf,
    press,
    typed,
)
from enrollments.tests.factories import InstancePriceFactory

pytestmark = pytest.mark.django_db


def page(response: Any) -> str:
    return " ".join(response.content.decode().split())


class TestTheForm:
    def test_asks_the_questions_of_its_staff_in_their_order(self) -> None:
        instance = instance_with_form()
        ask(instance, label="Second one", position=2)
        ask(instance, label="First one", position=1)
        ask(instance, label="Withdrawn one", is_asked=False)

        shown = page(Client().get(form_url(instance)))

        assert shown.index("First one") < shown.index("Second one")
        assert "Withdrawn one" not in shown

    def test_keeps_what_was_typed_and_mails_a_link(self) -> None:
        instance = instance_with_form()
        question = ask(instance, label="Why?")

        response = fill_in(instance, **answer_to(question, "Robots!"))

        assert (response.status_code, response["Location"]) == (302, f"{form_url(instance)}/sent")
        application = Application.objects.get()
        assert (application.email, application.first_name, application.last_name) == ("ann@home.test", "Mia", "Doe")
        assert application.answers == {question.key: "Robots!"}
        assert application.confirmed_at is None
        assert [message.to for message in mail.outbox] == [["ann@home.test"]]

    def test_makes_nobody_known_before_the_address_is_proven(self) -> None:
        fill_in(instance_with_form())

        assert (Enrollment.objects.count(), Learner.objects.count(), Guardian.objects.count()) == (0, 0, 0)

    def test_mails_no_name(self) -> None:
        fill_in(instance_with_form())

        message: Any = mail.outbox[0]
        told = f"{message.subject} {message.body} {message.alternatives[0][0]}"
        assert not [name for name in ("Mia", "Doe", "Hill School") if name in told]

    def test_keeps_no_secret_that_opens_the_link(self) -> None:
        fill_in(instance_with_form())

        token = mailed_link().rpartition("/")[2]
        assert token not in str(Application.objects.values().get())

    def test_sent_twice_is_one_application_and_one_mail(self) -> None:
        instance = instance_with_form()
        same = typed()

        answers = [Client().post(form_url(instance), same) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [302, 302]
        assert (Application.objects.count(), len(mail.outbox)) == (1, 1)

    def test_answers_the_same_whether_or_not_the_learner_is_known(self) -> None:
        instance = instance_with_form()
        apply(instance)

        again = fill_in(instance)
        new = fill_in(instance, email="bo@home.test", first_name="Leo")

        assert (again.status_code, again["Location"]) == (new.status_code, new["Location"])

    def test_has_no_names_or_addresses_in_any_url(self) -> None:
        instance = instance_with_form()

        response = fill_in(instance)

        assert not [part for part in ("ann", "Mia", "Doe", "@") if part in response["Location"] + mailed_link()]


class TestAFormThatIsFilledInWrongly:
    def test_names_each_field_with_the_remedy_and_keeps_what_was_typed(self) -> None:
        instance = instance_with_form()
        ask(instance, label="Essay", kind=QuestionKind.LONG_TEXT, is_required=True)

        response = fill_in(instance, email="not an address", first_name="")

        assert response.status_code == 422
        shown = page(response)
        assert "Type an address like name@example.org." in shown
        assert "Type the learner&#x27;s first name." in shown
        assert "Answer this question." in shown
        assert 'value="Hill School"' in shown
        assert (Application.objects.count(), len(mail.outbox)) == (0, 0)

    @pytest.mark.parametrize(
        ("kind", "value", "remedy"),
        [
            (QuestionKind.NUMBER, "1_000", "Type a number, such as 12 or 3.5."),
            (QuestionKind.NUMBER, "NaN", "Type a number, such as 12 or 3.5."),
            (QuestionKind.NUMBER, "٣", "Type a number, such as 12 or 3.5."),
            (QuestionKind.DATE, "31.1.2027", "Type a date like 2027-01-31."),
            (QuestionKind.DATE, "0001-01-01", "Give a date from 1900 to 2199."),
            (QuestionKind.CHOICE, "Green", "Choose one of the options."),
            (
                QuestionKind.SHORT_TEXT,
                "a\u202eb",
                "Control and invisible characters are not allowed (U+202E was found).",
            ),
        ],
    )
    def test_says_what_an_answer_should_be(self, kind: QuestionKind, value: str, remedy: str) -> None:
        instance = instance_with_form()
        options = "Red\nBlue" if kind == QuestionKind.CHOICE else ""
        question = ask(instance, kind=kind, options=options)

        response = fill_in(instance, **answer_to(question, value))

        assert response.status_code == 422
        assert remedy in page(response)
        assert Application.objects.count() == 0

    def test_insists_on_a_required_consent(self) -> None:
        instance = instance_with_form()
        ask(instance, kind=QuestionKind.CONSENT, label="I agree", is_required=True)

        response = fill_in(instance)

        assert response.status_code == 422
        assert "Check the box to agree." in page(response)

    def test_bounds_all_answers_together(self) -> None:
        instance = instance_with_form()
        questions = [ask(instance, kind=QuestionKind.LONG_TEXT) for _ in range(7)]
        fields = {name: text for q in questions for name, text in answer_to(q, "x" * 2_000).items()}

        response = fill_in(instance, **fields)

        assert response.status_code == 422
        assert "The answers are too long together. Shorten the longest ones." in page(response)
        assert Application.objects.count() == 0


class TestAnswers:
    def test_are_kept_as_json_has_them(self) -> None:
        instance = instance_with_form()
        kinds = {
            QuestionKind.NUMBER: ("3.50", 3.5),
            QuestionKind.DATE: ("2027-01-31", "2027-01-31"),
            QuestionKind.CHOICE: ("Blue", "Blue"),
            QuestionKind.LONG_TEXT: ("One\r\nTwo", "One\r\nTwo"),
            QuestionKind.CONSENT: ("on", True),
        }
        questions = {
            kind: ask(instance, kind=kind, options="Red\nBlue" if kind == QuestionKind.CHOICE else "") for kind in kinds
        }
        fields = {name: text for kind, q in questions.items() for name, text in answer_to(q, kinds[kind][0]).items()}

        fill_in(instance, **fields)

        kept = Application.objects.get().answers
        assert kept == {questions[kind].key: value for kind, (_, value) in kinds.items()}


class TestAFile:
    def test_is_kept_by_its_id_with_the_type_that_its_bytes_show(self) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.FILE)

        fill_in(instance, **answer_to(question, pdf("Mia Doe.pdf")))

        file = ApplicationFile.objects.get()
        assert (file.name, file.media_type, file.size) == ("Mia Doe.pdf", "application/pdf", 30)
        assert file.content.name == f"applications/{file.cuid}"
        assert file.content.open().read() == pdf().read()

    @pytest.mark.parametrize(
        ("content", "remedy"),
        [
            (b"<html><script>alert(1)</script>", "Choose a file of one of these kinds: PDF, JPEG, PNG, WebP or HEIC."),
            (b"MZ\x90\x00" + b"\x00" * 300, "Choose a file of one of these kinds: PDF, JPEG, PNG, WebP or HEIC."),
            (b"", "The file is empty. Choose another one."),
            (large(5.1).read(), "The file is larger than 5 MB. Choose a smaller one."),
        ],
        ids=["a page", "a program", "nothing", "too much"],
    )
    def test_is_refused_with_the_remedy(self, content: bytes, remedy: str) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.FILE)

        response = fill_in(instance, **answer_to(question, pdf("harmless.pdf", content)))

        assert response.status_code == 422
        assert remedy in page(response)
        assert (Application.objects.count(), ApplicationFile.objects.count()) == (0, 0)

    def test_with_a_virus_is_refused(self, settings: Any) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.FILE)
        with running_clamd() as clamd:
            settings.CLAMD_ADDRESS = clamd.address

            refused = fill_in(instance, **answer_to(question, pdf("harmless.pdf", pdf().read() + EICAR)))
            accepted = fill_in(instance, **answer_to(question, pdf()))

        assert (refused.status_code, accepted.status_code) == (422, 302)
        assert "There is a virus in this file. Choose another one." in page(refused)
        assert (Application.objects.count(), ApplicationFile.objects.get().content.open().read()) == (1, pdf().read())

    def test_is_not_accepted_while_the_scanner_is_down(self, settings: Any) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.FILE)
        with running_clamd() as clamd:
            settings.CLAMD_ADDRESS = clamd.address

        response = fill_in(instance, **answer_to(question, pdf()))

        assert response.status_code == 422
        assert "Files can&#x27;t be checked for viruses at the moment." in response.content.decode()
        assert (Application.objects.count(), ApplicationFile.objects.count()) == (0, 0)

    def test_has_to_be_chosen_again_after_another_mistake_and_the_page_says_so(self) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.FILE)

        response = fill_in(instance, first_name="", **answer_to(question, pdf()))

        assert "choose each file again" in page(response)

    def test_that_the_storage_does_not_take_leaves_nothing_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.FILE)
        monkeypatch.setattr(type(files_of_applications()), "_save", _no_space_left)

        response = fill_in(instance, **answer_to(question, pdf()))

        assert response.status_code == 503
        assert "The file could not be stored. Send the form again in a few minutes." in page(response)
        assert (Application.objects.count(), len(mail.outbox)) == (0, 0)

    def test_larger_than_a_whole_form_may_be_is_not_read(self) -> None:
        instance = instance_with_form()
        question = ask(instance, kind=QuestionKind.FILE)

        response = fill_in(instance, **answer_to(question, pdf("big.pdf", large(18).read())))

        assert response.status_code == 400
        assert Application.objects.count() == 0


class TestPrograms:
    def test_that_fill_in_every_field_are_told_that_all_went_well(self) -> None:
        instance = instance_with_form()

        response = fill_in(instance, website="https://spam.test")

        assert (response.status_code, response["Location"]) == (302, f"{form_url(instance)}/sent")
        assert (Application.objects.count(), len(mail.outbox)) == (0, 0)

    @override_settings(APPLICATIONS_PER_NETWORK=2)
    def test_that_send_many_forms_are_slowed_down(self) -> None:
        instance = instance_with_form()

        answers = [fill_in(instance, email=f"ann{n}@home.test") for n in range(3)]

        assert [answer.status_code for answer in answers] == [302, 302, 429]
        assert int(answers[-1]["Retry-After"]) > 0
        assert Application.objects.count() == 2

    def test_that_flood_one_mailbox_are_stopped(self) -> None:
        instance = instance_with_form()

        answers = [fill_in(instance) for _ in range(6)]

        assert [answer.status_code for answer in answers] == [302] * 5 + [429]
        assert len(mail.outbox) == 5

    def test_that_make_up_a_submission_are_asked_to_reload(self) -> None:
        response = fill_in(instance_with_form(), submission="x'; drop")

        assert response.status_code == 422
        assert Application.objects.count() == 0


class TestAMailServerThatIsDown:
    @pytest.fixture
    def _mail_server_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: object, **kwargs: object) -> None:
            raise ConnectionRefusedError

        monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)

    @pytest.mark.usefixtures("_mail_server_down")
    def test_is_told_and_the_form_keeps_what_was_typed(self) -> None:
        response = fill_in(instance_with_form())

        assert response.status_code == 503
        assert 'value="Hill School"' in page(response)

    @pytest.mark.sqlite
    def test_loses_nothing_when_the_form_is_sent_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = instance_with_form()
        same = typed()
        with monkeypatch.context() as patch:
            patch.setattr("django.core.mail.EmailMultiAlternatives.send", _refuse)
            Client().post(form_url(instance), same)

        again = Client().post(form_url(instance), same | {"first_name": "Maya"})

        assert again.status_code == 302
        assert Application.objects.get().first_name == "Maya"
        assert len(mail.outbox) == 1


def _no_space_left(*args: object, **kwargs: object) -> None:
    raise OSError(28, "No space left on device")


def _refuse(*args: object, **kwargs: object) -> None:
    raise ConnectionRefusedError


class TestAClosedForm:
    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"takes_applications": False}, "Applications are closed"),
            ({"active": False}, "Applications are closed"),
            ({"end_date": dt.date(2020, 1, 1)}, "This program is over"),
            ({"capacity": 0}, "All places are taken"),
        ],
        ids=["switched off", "inactive", "over", "full"],
    )
    def test_says_why_and_takes_nothing(self, fields: dict[str, Any], told: str) -> None:
        instance = instance_with_form(**fields)

        shown = Client().get(form_url(instance))
        sent = fill_in(instance)

        assert (shown.status_code, sent.status_code) == (200, 409)
        assert told in page(shown)
        assert told in page(sent)
        assert (Application.objects.count(), len(mail.outbox)) == (0, 0)

    def test_is_one_whose_program_is_switched_off(self) -> None:
        instance = instance_with_form()
        instance.program.active = False
        instance.program.save()

        assert fill_in(instance).status_code == 409

    def test_is_one_whose_price_is_switched_off(self) -> None:
        instance = instance_with_form()
        instance.price = InstancePriceFactory(workspace=instance.workspace, active=False)
        instance.save()

        assert fill_in(instance).status_code == 409

    def test_has_an_address_that_names_its_program(self) -> None:
        instance = instance_with_form()

        assert Client().get(reverse("apply", args=["ANOTHER", instance.cuid])).status_code == 404
        assert Client().get(reverse("apply", args=[instance.program.code, new_cuid()])).status_code == 404


class TestTheDayAProgramEnds:
    def test_is_open_until_midnight_where_its_workspace_is(self) -> None:
        instance = instance_with_form(end_date=utc_now().date() + dt.timedelta(days=1))

        assert fill_in(instance).status_code == 302


class TestConsents:
    @pytest.mark.sqlite
    def test_are_asked_for_kept_with_the_form_and_given_once_the_address_is_proven(self) -> None:
        instance = instance_with_form()
        workspace = instance.workspace
        records = ConsentTextFactory(workspace=workspace)
        photos = ConsentTextFactory(workspace=workspace, purpose="photos", is_required=False)

        refused = fill_in(instance)
        assert (refused.status_code, Application.objects.count()) == (422, 0)
        assert "Check the box to agree." in refused.content.decode()
        checked: dict[str, Any] = {f"consent_{text.pk}": "on" for text in (records, photos)}
        fill_in(instance, **checked)
        assert not Consent.objects.exists()
        press(mailed_link())

        given = Consent.objects.order_by("text")
        assert [(each.text, each.address, each.way) for each in given] == [
            (records, "ann@home.test", "form"),
            (photos, "ann@home.test", "form"),
        ]
