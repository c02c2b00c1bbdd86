"""What the application journeys need to exist: a workspace with a form of each kind, and a reviewer."""

import datetime as dt
from typing import Any

from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, WorkspaceFactory
from billing.models import Price
from core.clock import utc_now
from enrollments.models import ApplicationQuestion, Program, ProgramInstance
from enrollments.states import QuestionKind, ReviewMode
from enrollments.tests.applicants import form_url
from enrollments.tests.criteria import set_criterion
from enrollments.tests.factories import InstanceFactory

PASSWORD = "a-reviewer-of-applications"
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"label": "Why would you like to join?", "kind": QuestionKind.LONG_TEXT, "is_required": True},
    {"label": "Nickname", "kind": QuestionKind.SHORT_TEXT},
    {
        "label": "Which afternoon suits you?",
        "kind": QuestionKind.CHOICE,
        "options": "Monday\nWednesday\nFriday",
        "is_required": True,
    },
    {"label": "How many robots have you built?", "kind": QuestionKind.NUMBER},
    {"label": "Date of birth", "kind": QuestionKind.DATE, "is_required": True},
    {
        "label": "Last report card",
        "kind": QuestionKind.FILE,
        "help_text": "A photo of it is fine.",
        "is_required": True,
    },
    {"label": "I agree to photos of the robots (not of the children)", "kind": QuestionKind.CONSENT},
    {"label": "I have read the safety rules", "kind": QuestionKind.CONSENT, "is_required": True},
)


def build() -> dict[str, str]:
    """Create them; return the path of each form, and the reviewer's address and password."""
    workspace = WorkspaceFactory(slug="hillcrest", name="Hillcrest Learning", timezone="America/Chicago")
    program = Program.objects.create(
        workspace=workspace,
        code="ROBOT-LAB",
        title="Robot Lab",
        description="Twelve afternoons of building, for children who like to know how things move.",
    )
    forms = {
        "reviewed": _form(program, "Spring 2027", start_date=dt.date(2027, 3, 1), end_date=dt.date(2027, 6, 1)),
        "short": _form(program, "Open house", questions=()),
        "priced": _form(
            program,
            "Summer camp",
            questions=(),
            price=Price.objects.create(workspace=workspace, name="Camp", amount_minor=24900),
        ),
        "strict": set_criterion(
            _form(program, "Masters", questions=()),
            "gradeLevel == '8'",
            otherwise="Masters is for grade 8. Robot Lab in spring has no such limit.",
        ),
        "full": _form(program, "Winter 2027", questions=(), capacity=0),
        "closed": _form(program, "Autumn 2027", takes_applications=False),
        "over": _form(program, "Spring 2020", end_date=dt.date(2020, 6, 1)),
    }
    reviewer = StaffFactory(email="reviewer@hillcrest.test")
    reviewer.set_password(PASSWORD)
    reviewer.save()
    MembershipFactory(workspace=workspace, user=reviewer, role=Role.ADMIN)
    paths = {name: form_url(instance) for name, instance in forms.items()}
    instances = {f"{name}_instance": str(instance.pk) for name, instance in forms.items()}
    return paths | instances | {"staff": reviewer.email, "password": PASSWORD}


def _form(
    program: Program, name: str, *, questions: tuple[dict[str, Any], ...] = QUESTIONS, **fields: Any
) -> ProgramInstance:
    instance: ProgramInstance = InstanceFactory(
        workspace=program.workspace,
        program=program,
        name=name,
        is_default=False,
        **{"takes_applications": True, "price": None, "review_mode": ReviewMode.MANUAL, "created_at": utc_now()}
        | fields,
    )
    for position, question in enumerate(questions):
        ApplicationQuestion.objects.create(instance=instance, position=position, **{"is_required": False} | question)
    return instance
