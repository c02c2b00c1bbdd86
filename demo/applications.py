"""Two self-enrollment forms, one with free places and one that is full; applications to them in every state; and the
candidates the organization invited.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction

from accounts.consents import list_asked, publish_text
from accounts.newcomers import find_or_add_oneself
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.ids import new_cuid
from core.local_time import local_date
from enrollments.application.answers import keep_answer
from enrollments.application.confirm import confirm_application
from enrollments.application.files import Upload
from enrollments.application.receive import FilledForm, receive_application
from enrollments.details import EnrollmentDetails
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.exit import plan_exit
from enrollments.identification import ByLearner, create_enrollment
from enrollments.letters import APPROVED
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reject_enrollment,
    unenroll_enrollment,
)
from enrollments.models import Application, ApplicationQuestion, Program, ProgramInstance
from enrollments.routing.decide import decide
from enrollments.routing.request import LearnerProfile, RoutingContext, RoutingRequest
from enrollments.states import Applicant, QuestionKind, ReviewMode
from notifications.wording import begin_letter, change_letter

from .catalog import Scene

Story = Iterator[dt.timedelta]
CODE = "DISCOVERY"
# A page without questions, shown to families who open the report cards.
EMPTY_PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""
QUESTIONS: tuple[tuple[QuestionKind, str, bool, str], ...] = (
    (QuestionKind.LONG_TEXT, "What would you like to find out outdoors?", True, ""),
    (QuestionKind.CHOICE, "Which group?", True, "Rivers and ponds\nBirds\nNight sky"),
    (QuestionKind.NUMBER, "How far can you walk, in miles?", False, ""),
    (QuestionKind.DATE, "Date of birth", True, ""),
    (QuestionKind.FILE, "Last report card", False, ""),
    (QuestionKind.CONSENT, "We have read the safety rules", True, ""),
)
# Who applied, their grade, how many days ago, and what staff decided three days later.
APPLICANTS = (
    ("Nora", "Lindqvist", "5", 20.0, "approve"),
    ("Theo", "Lindqvist", "7", 20.0, "approve"),
    ("Ravi", "Menon", "7", 18.0, "leave"),
    ("Clara", "Hoffmann", "6", 16.0, "plan"),
    ("Amara", "Diallo", "6", 12.0, "reject"),
    ("Amara", "Diallo", "6", 3.0, ""),  # applied again, with what was missing
    ("Felix", "Winter", "2", 9.0, ""),  # too young for the criteria
    ("Ines", "Cardoso", "4", 2.0, ""),
    ("Omar", "Rahimi", "8", 1.0, ""),
    ("Lucy", "Baxter", "5", 0.2, "wait"),  # has not opened the mail yet
)
# Candidates on the organization's list who have not applied yet.
INVITED = (("Jonas", "Berg", False), ("Selma", "Aydin", True))


CONSENTS = (
    (
        "records",
        "You may keep records of our child",
        "We keep the name, school and answers of your child to run the program, and delete them when you ask for it.",
        True,
    ),
    ("photos", "You may show photos of our child", "Photos of groups, without names, on the program's pages.", False),
)


def begin_applications(scene: Scene, *, begin: Callable[[dt.datetime, Story], None], now: dt.datetime) -> None:
    """Build an organization's forms, and let its families fill them in."""
    today = local_date(now, scene.workspace.timezone)
    _ask_for_consents(scene)
    program = Program.objects.create(
        workspace=scene.workspace,
        code=CODE,
        title="Nature Discovery",
        description="Three weeks outdoors with a notebook. It is free, and there are more wishes than places.",
    )
    instance = _open_form(scene, program, "Nature Discovery, first group", today, capacity=24)
    full = _open_form(scene, program, "Nature Discovery, second group", today, capacity=1)
    for first_name, last_name, grade, days, word in APPLICANTS:
        begin(now - dt.timedelta(days=days), _apply(scene, instance, first_name, last_name, grade, word))
    for first_name, last_name, is_evaluated in INVITED:
        begin(now - dt.timedelta(days=4), _invite(scene, instance, first_name, last_name, is_evaluated=is_evaluated))
    _write_own_words(scene)
    begin(now - dt.timedelta(days=15), _apply(scene, full, "Mei", "Sato", "6", "approve"))
    begin(now - dt.timedelta(days=6), _ask_without_an_age(scene, _open_camp(scene, program, today)))


def _ask_for_consents(scene: Scene) -> None:
    """Add a consent that is required and one that is optional."""
    for purpose, title, text, is_required in CONSENTS:
        publish_text(
            workspace_id=scene.workspace.pk,
            purpose=purpose,
            title=title,
            text=text,
            is_required=is_required,
            from_at=utc_now(),
            actor=_staff(scene),
            now=utc_now(),
        )


def _open_form(scene: Scene, program: Program, name: str, today: dt.date, *, capacity: int) -> ProgramInstance:
    instance = ProgramInstance.objects.create(
        workspace=scene.workspace,
        program=program,
        name=name,
        start_date=today + dt.timedelta(weeks=12),
        end_date=today + dt.timedelta(weeks=15),
        review_mode=ReviewMode.MANUAL,
        capacity=capacity,
        takes_applications=True,
    )
    for position, (kind, label, is_required, options) in enumerate(QUESTIONS):
        ApplicationQuestion.objects.create(
            instance=instance, position=position, kind=kind, label=label, is_required=is_required, options=options
        )
    grades = CriterionDraft(
        name="Grades 3 to 8",
        expression='gradeLevel in ["3", "4", "5", "6", "7", "8"]',
        otherwise="Nature Discovery is for grades 3 to 8.",
    )
    return change_criteria(instance_id=instance.pk, drafts=[grades], actor=_staff(scene), now=utc_now())


def _open_camp(scene: Scene, program: Program, today: dt.date) -> ProgramInstance:
    """Open an instance that learners are routed to and whose criteria read an age."""
    instance = ProgramInstance.objects.create(
        workspace=scene.workspace,
        program=program,
        name="Nature Discovery, camp",
        start_date=today + dt.timedelta(weeks=16),
        end_date=today + dt.timedelta(weeks=17),
    )
    age = CriterionDraft(
        name="Ten or older", expression="metadata.age >= 10", otherwise="The camp is for children from the age of 10."
    )
    return change_criteria(instance_id=instance.pk, drafts=[age], actor=_staff(scene), now=utc_now())


def _ask_without_an_age(scene: Scene, instance: ProgramInstance) -> Story:
    """Let a district's portal ask for a place without the age that the criteria read, which leaves staff a task."""
    yield from ()
    profile = {"email": "okafor@families.test", "first_name": "Chidi", "last_name": "Okafor"}
    request = RoutingRequest(
        workspace_id=scene.workspace.pk,
        actor=SYSTEM,
        profile=LearnerProfile(**profile, received=profile),
        context=RoutingContext(
            tenant_id=None,
            guardian_id=None,
            program_instance=instance.cuid,
            received={"program_instance_id": instance.cuid, "source": "district_portal"},
        ),
        now=utc_now(),
    )
    with transaction.atomic():
        decide(request, set())


def _apply(scene: Scene, instance: ProgramInstance, first_name: str, last_name: str, grade: str, word: str) -> Story:
    """Fill in a form; an hour later its link is followed, and some days later staff decide."""
    filled = _fill_in(instance, first_name, last_name, grade)
    application, token = receive_application(
        instance_id=instance.pk, submission=new_cuid(), filled=filled, now=utc_now()
    )
    Application.objects.filter(pk=application.pk).update(sent_at=utc_now())  # no mail leaves the demo's past
    if word == "wait":
        return
    yield dt.timedelta(hours=1)
    enrollment = confirm_application(token=token, now=utc_now()).enrollment
    if enrollment is None or not word:
        return
    yield dt.timedelta(days=3)
    known: dict[str, Any] = {"enrollment_id": enrollment.pk, "actor": _staff(scene), "now": utc_now()}
    if word == "reject":
        reject_enrollment(**known, reason="The consent of a parent is missing. Apply again with it.")
        return
    approve_enrollment(**known)
    if word == "approve":
        return
    yield dt.timedelta(days=2)
    known["now"] = utc_now()
    if word == "leave":
        unenroll_enrollment(**known, reason="The family moves to another state.", metadata={"exitReason": "moved"})
    else:
        last_day = local_date(utc_now(), scene.workspace.timezone) + dt.timedelta(weeks=4)
        plan_exit(**known, effective_date=last_day, reason="Clara changes schools next month.")


def _invite(scene: Scene, instance: ProgramInstance, first_name: str, last_name: str, *, is_evaluated: bool) -> Story:
    """Invite somebody whom the organization knows, as a candidate; once they apply, the form reuses the candidate."""
    yield from ()
    learner = find_or_add_oneself(
        workspace_id=scene.workspace.pk,
        address=f"{last_name.lower()}@families.test",
        first_name=first_name,
        last_name=last_name,
        grade_level="6",
    )[0]
    enrollment = create_enrollment(
        workspace_id=scene.workspace.pk,
        instance_id=instance.pk,
        identification=ByLearner(learner.cuid),
        details=EnrollmentDetails(tags=["invited"]),
        actor=_staff(scene),
        now=utc_now(),
    )
    if is_evaluated:
        evaluate_enrollment(enrollment_id=enrollment.pk, actor=_staff(scene), now=utc_now())


def _write_own_words(scene: Scene) -> None:
    """Let the organization greet accepted families in its own words."""
    letter = begin_letter(workspace_id=scene.workspace.pk, kind=APPROVED, actor=_staff(scene), now=utc_now())
    change_letter(
        letter_id=letter.pk,
        subject="Welcome to {program}, {learner}!",
        body=(
            "We are happy to have {learner} in {program} ({instance}). {start}\n\n"
            "Bring a notebook, shoes that may get wet, and a bottle of water.\n\n"
            "-> See the enrollment: {link}\n\n{workspace}"
        ),
        is_on=True,
        actor=_staff(scene),
        now=utc_now(),
    )


def _fill_in(instance: ProgramInstance, first_name: str, last_name: str, grade: str) -> FilledForm:
    told = {
        QuestionKind.LONG_TEXT: "Why some birds stay when it gets cold.\nAnd where the frogs go.",
        QuestionKind.CHOICE: "Birds",
        QuestionKind.NUMBER: 4,
        QuestionKind.DATE: dt.date(2026 - int(grade) - 6, 5, 17),
        QuestionKind.FILE: {"name": "report-card.pdf"},
        QuestionKind.CONSENT: True,
    }
    questions = list(ApplicationQuestion.objects.filter(instance=instance).order_by("position"))
    report = next(question for question in questions if question.kind == QuestionKind.FILE)
    return FilledForm(
        applicant=Applicant.GUARDIAN,
        email=f"{last_name.lower()}@families.test",
        first_name=first_name,
        last_name=last_name,
        grade_level=grade,
        school="Lincoln Middle School",
        answers={question.key: keep_answer(told[QuestionKind(question.kind)]) for question in questions},
        consents=[text.pk for text in list_asked(workspace_id=instance.workspace_id, now=utc_now())],
        uploads=[Upload(report.pk, "report-card.pdf", "application/pdf", ContentFile(EMPTY_PDF))],
    )


def _staff(scene: Scene) -> Actor:
    return Actor("user", scene.staff.pk)
