"""A program from one page: what it creates, what it rejects, and what it shows before creating anything."""

import datetime as dt
from html import unescape
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from billing.models import Price
from core.errors import Invalid
from core.money import Money
from enrollments.eligibility.criteria import check_criteria, list_criteria
from enrollments.eligibility.plain import PlainRule, as_criterion
from enrollments.models import (
    ApplicationQuestion,
    Criterion,
    District,
    DistrictSeatAllocation,
    Program,
    ProgramInstance,
)
from enrollments.program_setup import ProgramPlan, QuestionPlan, SeatsPlan, set_up_program
from enrollments.states import QuestionKind, ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, DistrictFactory, InstanceFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
START = dt.date(2027, 9, 1)
PAGE = "admin:enrollments_program_setup"


def plan(**more: Any) -> ProgramPlan:
    return ProgramPlan(**{"code": "READ", "title": "Reading", "description": "", "name": "Fall 2027", **more})


def make(workspace: Workspace, **more: Any) -> ProgramInstance:
    return set_up_program(workspace_id=workspace.pk, plan=plan(**more), actor=STAFF, now=NOW)


def nothing_stands() -> bool:
    models = (Program, ProgramInstance, Price, Criterion, ApplicationQuestion, DistrictSeatAllocation)
    return not any(model.objects.exists() for model in models)


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def district(workspace: Workspace) -> District:
    made: District = DistrictFactory(workspace=workspace)
    return made


class TestAProgram:
    @pytest.mark.sqlite
    def test_is_made_with_all_that_was_chosen(self, workspace: Workspace, district: District) -> None:
        instance = make(
            workspace,
            start_date=START,
            review_mode=ReviewMode.MANUAL,
            capacity=30,
            rules=(PlainRule("grades", "3 to 5"), PlainRule("email")),
            takes_applications=True,
            questions=(QuestionPlan("Size?", QuestionKind.CHOICE, "S\nM"), QuestionPlan("Why?", is_required=False)),
            price=Money(4900, "usd"),
            seats=(SeatsPlan(district.pk, 20),),
        )

        assert (instance.review_mode, instance.capacity, instance.takes_applications) == ("manual", 30, True)
        assert str(instance.price) == "Reading, Fall 2027: 49.00 USD"
        assert [each.expression for each in list_criteria(instance.pk)] == [
            "gradeLevel in ['3', '4', '5']",
            "email != ''",
        ]
        questions = instance.questions.order_by("position").values_list("label", "kind", "is_required")
        assert list(questions) == [("Size?", "choice", True), ("Why?", "short_text", False)]
        assert instance.allocations.values_list("district", "total_seats").get() == (district.pk, 20)

    def test_is_free_and_for_everybody_unless_more_is_said(self, workspace: Workspace) -> None:
        instance = make(workspace)

        assert (instance.price, instance.capacity, list_criteria(instance.pk)) == (None, None, [])

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"code": "no good"}, "code"),
            ({"start_date": START, "end_date": dt.date(2027, 1, 1)}, "endDate"),
            ({"rules": (PlainRule("email"), PlainRule("grades", "5 to 3"))}, "rules[1].value"),
            ({"rules": (PlainRule("expression", "grade =="),)}, "rules[0].value"),
            ({"rules": (PlainRule("moon", "full"),)}, "rules[0].kind"),
            ({"questions": (QuestionPlan("Size?", QuestionKind.CHOICE, "S"),)}, "questions[0].options"),
            ({"seats": (SeatsPlan(999_999, 5),)}, "seats[0].district"),
            ({"price": Money(1, "usd")}, "priceMinor"),
        ],
    )
    def test_that_can_not_be_leaves_nothing(self, workspace: Workspace, more: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as refusal:
            make(workspace, **more)

        assert refusal.value.errors[0].field == field
        assert nothing_stands()

    def test_leaves_nothing_if_its_last_part_fails(self, workspace: Workspace, district: District) -> None:
        with pytest.raises(Invalid) as refusal:
            make(workspace, price=Money(4900, "usd"), seats=(SeatsPlan(district.pk, 5), SeatsPlan(district.pk, 5)))

        assert refusal.value.errors[0].field == "seats[1].district"
        assert nothing_stands()

    def test_gets_no_seats_of_another_workspace_s_district(self, workspace: Workspace) -> None:
        foreign = DistrictFactory()

        with pytest.raises(Invalid):
            make(workspace, seats=(SeatsPlan(foreign.pk, 5),))

        assert nothing_stands()


class TestAPlainRule:
    @pytest.mark.parametrize(
        ("kind", "value", "expression"),
        [
            ("grades", "K to 2", "gradeLevel in ['K', '1', '2']"),
            ("grades", "3-5", "gradeLevel in ['3', '4', '5']"),
            ("grades", "pk", "gradeLevel in ['PK']"),
            ("states", "ny, NJ", "address.state in ['NY', 'NJ']"),
            ("postal", "100, 112", "address.postalCode.startsWith('100') || address.postalCode.startsWith('112')"),
            ("ages", "6 to 10", "metadata.birthDate > '2016-09-01' && metadata.birthDate <= '2021-09-01'"),
            ("email", "", "email != ''"),
            ("tag", "o'hara\\", "'o\\'hara\\\\' in tags"),
            ("expression", "gradeLevel == '4'", "gradeLevel == '4'"),
        ],
    )
    def test_becomes_an_expression_that_can_be_evaluated(self, kind: str, value: str, expression: str) -> None:
        draft = as_criterion(PlainRule(kind, value), start_date=START)

        assert draft.expression == expression
        assert check_criteria([draft])

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("grades", ""),
            ("grades", "5 to 3"),
            ("grades", "13"),
            ("states", "New York"),
            ("states", "'] || true || ['"),
            ("postal", ","),
            ("postal", "1'"),
            ("ages", "10 to 6"),
            ("ages", "six to ten"),
            ("tag", ""),
            ("expression", ""),
        ],
    )
    def test_says_how_its_value_is_given(self, kind: str, value: str) -> None:
        with pytest.raises(Invalid) as refusal:
            as_criterion(PlainRule(kind, value), start_date=START)

        assert refusal.value.errors[0].field == "value"

    def test_about_ages_needs_the_first_day(self) -> None:
        with pytest.raises(Invalid, match="first day"):
            as_criterion(PlainRule("ages", "6 to 10"), start_date=None)

    def test_tells_others_what_staff_wrote(self) -> None:
        assert as_criterion(PlainRule("email", reason="Call us."), start_date=None).otherwise == "Call us."


def typed(act: str = "preview", **more: Any) -> dict[str, Any]:
    """Return what a browser submits for a program with a condition and a question when a button is pressed."""
    return {
        "act": act,
        "title": "Reading",
        "name": "Fall 2027",
        "start_date": "2027-09-01",
        "review_mode": "manual",
        "takes_applications": "on",
        "rules-count": "1",
        "rules-0-kind": "grades",
        "rules-0-value": "3 to 5",
        "questions-count": "1",
        "questions-0-label": "Which book do you like?",
        "questions-0-kind": "short_text",
        "seats-count": "0",
        **more,
    }


def text(answer: Any) -> str:
    return unescape(answer.content.decode())


class TestThePage:
    @pytest.fixture
    def staff(self, workspace: Workspace) -> StaffClient:
        return StaffClient(workspace=workspace, role=Role.OWNER)

    def test_is_for_those_who_manage_and_for_their_workspace(self, staff: StaffClient, workspace: Workspace) -> None:
        other = WorkspaceFactory()

        assert staff.get(reverse(PAGE)).status_code == 200
        assert staff.get(f"{reverse(PAGE)}?workspace={other.pk}").status_code == 404
        assert StaffClient(workspace=workspace, role=Role.REVIEWER).post(reverse(PAGE), typed()).status_code == 403

    def test_previews_the_form_and_whom_it_would_let_in_and_makes_nothing(
        self, staff: StaffClient, workspace: Workspace
    ) -> None:
        answer = staff.post(reverse(PAGE), typed())

        foreseen = answer.context["foreseen"]
        assert "Which book do you like?" in foreseen.page
        assert [each.expression for each in foreseen.criteria] == ["gradeLevel in ['3', '4', '5']"]
        assert foreseen.tried == 0
        assert nothing_stands()

    def test_counts_whom_of_the_workspace_it_would_let_in(self, staff: StaffClient, workspace: Workspace) -> None:
        instance = InstanceFactory(workspace=workspace)
        for grade in ("4", "9"):
            CandidateFactory(workspace=workspace, instance=instance, learner__grade_level=grade)
        CandidateFactory()

        foreseen = staff.post(reverse(PAGE), typed()).context["foreseen"]

        assert foreseen.tried == 2
        assert dict(foreseen.outcomes) == {"would be eligible": 1, "would not": 1}

    def test_creates_once_what_was_previewed(self, staff: StaffClient) -> None:
        seen = staff.post(reverse(PAGE), typed()).context["seen"]

        answer = staff.post(reverse(PAGE), typed("create", seen=seen), follow=True)
        again = staff.post(reverse(PAGE), typed("create", seen=seen))

        instance = ProgramInstance.objects.get()
        assert answer.redirect_chain[0][0] == reverse("admin:enrollments_programinstance_change", args=[instance.pk])
        assert "Reading, Fall 2027 is set up." in text(answer)
        assert again.status_code == 422

    @pytest.mark.parametrize(
        ("act", "counts"),
        [
            ("add:rules", (2, 1, 0)),
            ("add:questions", (1, 2, 0)),
            ("remove:rules:0", (0, 1, 0)),
            ("add:seats", (1, 1, 1)),
            ("add:nothing", (1, 1, 0)),
        ],
    )
    def test_keeps_what_was_typed_while_rows_come_and_go(
        self, staff: StaffClient, district: District, act: str, counts: tuple[int, int, int]
    ) -> None:
        answer = staff.post(reverse(PAGE), typed(act, amount="not money"))

        sections = answer.context["sections"]
        assert tuple(len(sections[name]) for name in ("rules", "questions", "seats")) == counts
        assert answer.context["form"]["amount"].value() == "not money"

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"title": ""}, "title"),
            ({"name": ""}, "name"),
            ({"start_date": "9999-01-01"}, "start_date"),
            ({"end_date": "2027-01-01"}, "end_date"),
            ({"review_mode": "coin"}, "review_mode"),
            ({"capacity": "99999999999999999999"}, "capacity"),
            ({"rules-0-kind": "moon"}, "rules-0-kind"),
            ({"rules-0-value": "x"}, "rules-0-value"),
            ({"questions-0-kind": "choice"}, "questions-0-options"),
            ({"questions-0-kind": "riddle"}, "questions-0-kind"),
            ({"amount": "49", "currency": ""}, "currency"),
            ({"amount": "49", "currency": "zzz"}, "currency"),
            ({"amount": "0.01", "currency": "USD"}, "amount"),
            ({"seats-count": "1", "seats-0-district": "77", "seats-0-total": "3"}, "seats-0-district"),
        ],
    )
    def test_says_beside_the_field_what_is_wrong(self, staff: StaffClient, more: dict[str, Any], field: str) -> None:
        answer = staff.post(reverse(PAGE), typed(**more))

        assert answer.status_code == 422
        assert field in answer.context["form"].errors
        assert nothing_stands()


class TestWhatLeadsToIt:
    def test_is_a_list_without_programs(self, workspace: Workspace) -> None:
        owner = StaffClient(workspace=workspace, role=Role.OWNER)
        viewer = StaffClient(workspace=workspace, role=Role.VIEWER)
        empty = reverse("admin:enrollments_program_changelist")

        assert f'href="{reverse(PAGE)}"' in text(owner.get(empty))
        assert f'href="{reverse(PAGE)}"' not in text(viewer.get(empty))

    def test_is_followed_by_a_list_of_what_is_set_up(self, workspace: Workspace) -> None:
        instance = make(workspace, rules=(PlainRule("email"),), takes_applications=True)
        owner = StaffClient(workspace=workspace, role=Role.OWNER)

        page = owner.get(reverse("admin:enrollments_programinstance_change", args=[instance.pk]))

        card = next(card for card in page.context["neighbor_cards"] if card.title == "What is set up")
        assert [(row.title, row.note) for row in card.rows] == [
            ("Conditions", "1"),
            ("Price", "none: it is free"),
            ("Term", "no dates"),
            ("Form for families", "Open, 0 questions of its own"),
            ("Seats of districts", "none of its own"),
        ]
