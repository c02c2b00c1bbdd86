"""Every text that a family reads is translated. This is checked in every branch of every template for families, and on
rendered pages, on the answers to forms, and in mails, in a language that marks translated texts.
"""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import Learner, Workspace
from accounts.tests.factories import LearnerFactory, proven_user
from billing.models import Invoice
from cohorts.models import ClassSession, Cohort, CourseStep, GroupClass, WaitlistEntry
from cohorts.tests.browsing import child_of, course_url
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Program, ProgramInstance
from enrollments.reasons import OURS
from enrollments.tests.applicants import form_url, instance_with_form
from enrollments.tests.factories import STAFF
from notifications.sending import send_due_notifications
from notifications.wording import list_wordings, our_words
from partners.acceptance import record_refusal
from partners.models import Certificate, Provider, SequenceItem
from partners.states import GroupRule
from partners.tests.factories import accept, approved, complete, instance_with, steps_of
from partners.tests.test_certificates import completed
from sandbox.testing import SandboxProcess

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
# Staff, integrators, and operators read English; the page for an error that breaks everything has no context.
IN_ENGLISH = (
    *(
        "admin/",
        "unfold/",
        "api/",
        "problems/",
        "emails/events/",
        "account/staff_",
        "account/invitation",
        "account/email/staff_",
    ),
    *("errors/500.html", "home/mailbox.html"),
)
BRAND = "Enrollment Platform"

_ASIDE = re.compile(r"{#.*?#}|<(script|style|pre)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_TRANSLATED = re.compile(r"{%\s*blocktranslate\b.*?{%\s*endblocktranslate\s*%}", re.DOTALL)
_READ_ALOUD = re.compile(r"\s(?:title|label|aria-label|help|kicker|alt|placeholder)=\"([^\"]*)\"")
_DATE = re.compile(r"\|date:[\"']((?![Uc][\"'])[^\"']+)")
_TAG = re.compile(r"<[^>]*>")
_CODE = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{2,}")
# Not translated: the names of zones and currencies, addresses, and a character reference.
_ABBREVIATION = re.compile(r"\b[A-Z]{2,5}\b|\b[A-Z]\w+/[A-Z]\w+|\S+@\S+|https?://\S+|&\w+;")


def words_in(text: str) -> list[str]:
    return _WORD.findall(_ABBREVIATION.sub(" ", text.replace(BRAND, " ")))


# --- Template sources -------------------------------------------------------------------------------------------------


def families_templates() -> Iterator[Path]:
    for path in sorted(TEMPLATES.rglob("*")):
        name = str(path.relative_to(TEMPLATES))
        is_letter = name.startswith("emails/") and "{{" not in path.read_text() if path.is_file() else True
        if path.is_file() and not name.startswith(IN_ENGLISH) and not is_letter:
            yield path


def unwrapped(source: str) -> list[str]:
    """Return the words of a template that no tag translates, in texts and for screen readers, and date formats."""
    dates = _DATE.findall(source)
    code = _CODE.sub(" ", _TRANSLATED.sub(" ", _ASIDE.sub(" ", source)))
    spoken = list(_READ_ALOUD.findall(code))
    return [*words_in(" ".join([_TAG.sub(" ", code), *spoken])), *dates]


class TestATemplateOfFamilies:
    def test_has_no_word_that_is_not_translated(self) -> None:
        found = {str(path.relative_to(ROOT)): unwrapped(path.read_text()) for path in families_templates()}

        assert len(found) > 80
        assert {name: words for name, words in found.items() if words} == {}

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("<p>Hello</p>", ["Hello"]),
            ('{{ day|date:"F j, Y" }} {{ day|date:"c" }} {{ day|date:_("F j") }}', ["F j, Y"]),
            ("{% if a %}<b>Hello</b>{% endif %} {{ name }}", ["Hello"]),
            ('<c-fact label="Price">{{ price }}</c-fact>', ["Price"]),
            ('<p>{% translate "Hello" %} {% blocktranslate %}dear {{ name }}{% endblocktranslate %}</p>', []),
            ("<c-fact label=\"{% translate 'Price' %}\">{{ price }} USD</c-fact>", []),
        ],
    )
    def test_is_noticed_when_it_has_one(self, source: str, words: list[str]) -> None:
        assert unwrapped(source) == words


# --- Rendered pages and mails -----------------------------------------------------------------------------------------


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language that puts every text between brackets."""
    machinery: Any = translation._trans  # type: ignore[attr-defined]
    plain, plural = machinery.gettext, machinery.ngettext
    monkeypatch.setattr(machinery, "gettext", lambda text: f"⟦{plain(text)}⟧")
    monkeypatch.setattr(machinery, "ngettext", lambda one, many, number: f"⟦{plural(one, many, number)}⟧")
    # texts written in another language are remembered
    monkeypatch.setattr("core.time_words.get_language", lambda: "marked")


def outside(text: str) -> str:
    """Return the text outside of brackets, which may be nested."""
    kept, depth = [], 0
    for character in text:
        depth += (character == "⟦") - (character == "⟧")
        if depth == 0:
            kept.append(character)
    return "".join(kept)


def read_on(page: str) -> list[str]:
    """Return the words on a page that were not translated."""
    body = re.sub(r'<form class="languages".*?</form>', " ", _ASIDE.sub(" ", page), flags=re.DOTALL)
    body = re.sub(r"<datalist.*?</datalist>|value=\"[^\"]*\"", " ", body, flags=re.DOTALL)
    spoken = " ".join(_READ_ALOUD.findall(body))
    return words_in(outside(_TAG.sub(" ", body)) + " " + outside(spoken))


def without_letters() -> None:
    """Rename everything that people named, so that the remaining letters are ours."""
    Program.objects.update(title="11", description="")
    ProgramInstance.objects.update(name="22")
    Cohort.objects.update(name="33")
    CourseStep.objects.update(label="44", title="55")
    GroupClass.objects.update(name="66", teacher="")
    Learner.objects.update(first_name="77", last_name="88", email="a@home.test")
    Provider.objects.update(name="99")
    SequenceItem.objects.update(course_id="00")
    Workspace.objects.update(name="12")
    for invoice in Invoice.objects.all():
        lines = [line | {"description": "13"} for line in invoice.lines]
        Invoice.objects.filter(pk=invoice.pk).update(lines=lines, seller_name="12")
    Certificate.objects.update(learner_name="77 88", program_title="11")


@pytest.mark.django_db
@pytest.mark.usefixtures("marked")
class TestWhatFamiliesRead:
    def reader(self) -> Client:
        client = Client()
        client.force_login(proven_user("a@home.test"), backend="django.contrib.auth.backends.ModelBackend")
        return client

    def pages(self, client: Client, *paths: str) -> dict[str, list[str]]:
        return {path: found for path in paths if (found := read_on(client.get(path).content.decode()))}

    def test_on_the_way_in_is_translated(self, client: Client) -> None:
        instance = instance_with_form()
        without_letters()

        found = self.pages(client, "/", "/courses", "/courses?search=x", "/accounts/login/code/", "/nowhere")
        found |= self.pages(client, form_url(instance), "/certificates/7K3F9-TQ2MX-0B8WC-4HZRD")

        assert found == {}

    def test_about_courses_is_translated(self) -> None:
        cohort = cohort_with()
        package = buy_on_rows(cohort)
        without_letters()
        course = f"/courses/{cohort.instance.program.code}"
        client = self.reader()

        found = self.pages(client, course, f"{course}/cohorts/{cohort.pk}/enroll", "/my/enrollments")
        found |= self.pages(client, f"/my/enrollments/{package.enrollment.cuid}")
        found |= self.pages(client, f"/my/courses/{package.pk}/book")

        assert found == {}

    def test_about_partners_is_translated(self) -> None:
        under_way = approved(instance_with((3, GroupRule.AT_LEAST, 2), (2, GroupRule.ALL_IN_ORDER)))
        steps = steps_of(under_way)
        complete(accept(steps[0]))
        accept(steps[1])
        record_refusal(step_id=steps[2].pk, reason="x", actor=SYSTEM, now=utc_now())
        over = completed()
        left = approved()
        unenroll_enrollment(enrollment_id=left.pk, reason="1", actor=STAFF, now=utc_now())
        without_letters()
        serial = over.certificates.get().serial

        found = self.pages(self.reader(), "/student/progress", "/my/enrollments", f"/certificates/{serial}")

        assert {path: [word for word in words if word not in serial] for path, words in found.items()} in (
            {},
            {f"/certificates/{serial}": []},
        )

    @pytest.mark.parametrize("case", ["full", "over", "owned", "nothing left to attend", "Stripe is away"])
    def test_in_a_refusal_to_enroll_is_translated(self, stripe_of_module: SandboxProcess, case: str) -> None:
        cohort = cohort_with(max_enrollment=2)
        child = child_of(cohort, email="a@home.test")
        if case == "full":
            Cohort.objects.update(max_enrollment=1)
            buy_on_rows(cohort)
        elif case == "over":
            Cohort.objects.update(enrollment_deadline=utc_now())
        elif case == "owned":
            buy_on_rows(cohort, child)
        elif case == "nothing left to attend":
            ClassSession.objects.update(starts_at=utc_now() - dt.timedelta(days=1))
        else:
            stripe_of_module.faults(server_error=True)
        without_letters()

        answer = self.reader().post(course_url("course-enroll", cohort), {"learner": child.cuid})

        assert answer.status_code == (503 if case == "Stripe is away" else 409)
        assert read_on(answer.content.decode()) == []

    def test_on_a_waiting_list_is_translated(self) -> None:
        cohort = cohort_with(max_enrollment=1)
        child = child_of(cohort, email="a@home.test")
        buy_on_rows(cohort)
        without_letters()
        client = self.reader()
        line = course_url("course-wait", cohort)

        joined = client.post(line, {"learner": child.cuid}, follow=True)
        again = client.post(line, {"learner": child.cuid}, follow=True)
        leave = reverse("waitlist-leave", args=[WaitlistEntry.objects.get().pk])
        left = client.post(leave, follow=True)
        gone = client.post(leave, follow=True)

        assert [read_on(answer.content.decode()) for answer in (joined, again, left, gone)] == [[], [], [], []]

    @pytest.mark.parametrize("reason", sorted(OURS))
    def test_as_the_reason_of_an_end_is_translated(self, reason: str) -> None:
        left = approved()
        unenroll_enrollment(enrollment_id=left.pk, reason=reason, actor=STAFF, now=utc_now())
        without_letters()

        assert self.pages(self.reader(), f"/my/enrollments/{left.cuid}") == {}

    def test_in_mails_about_courses_is_translated(self) -> None:
        cohort = cohort_with()
        buy_on_rows(cohort, LearnerFactory(workspace=cohort.instance.workspace, email="a@home.test"))
        without_letters()

        send_due_notifications(now=utc_now())

        written = [f"{message.subject}\n{message.body}" for message in mail.outbox]
        assert len(written) >= 2
        assert [found for text in written if (found := words_in(outside(text)))] == []

    @pytest.mark.parametrize("kind", [wording.kind for wording in list_wordings()])
    def test_in_letters_is_translated(self, kind: str) -> None:
        words = our_words(kind)

        assert words_in(outside(re.sub(r"{\w+}", "", f"{words.subject}\n{words.body}"))) == []


@pytest.mark.usefixtures("marked")
def test_a_word_that_went_through_no_translation_is_found() -> None:
    page = f"<p>{translation.gettext('Hello')} world</p>"

    assert read_on(page) == ["world"]
