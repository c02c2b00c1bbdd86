"""A course from one page: what it creates, what it rejects, and what it shows before creating anything."""

import datetime as dt
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User, Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from billing.models import Price
from cohorts.course.setup import ClassPlan, CoursePlan, StepPlan, list_weeks, set_up_course
from cohorts.errors import TermTooShort
from cohorts.models import ClassSession, Cohort, CourseStep, CourseStepOption, GroupClass
from cohorts.sale.opening import open_cohort
from cohorts.states import DayOfWeek
from cohorts.tests.factories import GroupClassFactory, cohort_with
from core.clock import utc_now
from core.errors import Invalid
from core.money import Money
from enrollments.errors import ProgramExists
from enrollments.models import Program, ProgramInstance
from enrollments.programs import propose_code
from enrollments.tests.factories import STAFF, ProgramFactory
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db

CHICAGO = "America/Chicago"
START = dt.date(2027, 3, 1)  # a Monday
NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)


def weekly(day: DayOfWeek = DayOfWeek.TUESDAY, **more: Any) -> ClassPlan:
    return ClassPlan(
        **{
            "day_of_week": day,
            "start_time": dt.time(17),
            "end_time": dt.time(18),
            "timezone": CHICAGO,
            "seats": 10,
            **more,
        }
    )


def plan(**more: Any) -> CoursePlan:
    """Return a plan of two weeks on Tuesdays, the second also on Thursdays."""
    return CoursePlan(
        **{
            "code": "ROBOTS",
            "title": "Robots",
            "description": "Build one.",
            "listed": True,
            "classes": (weekly(), weekly(DayOfWeek.THURSDAY, seats=6)),
            "steps": (StepPlan("Week 1", "Wheels", classes=(0,)), StepPlan("", "Arms", classes=(0, 1))),
            "start_date": START,
            "timezone": CHICAGO,
            "price": Money(14900, "usd"),
            **more,
        }
    )


def make(workspace: Workspace, asked: CoursePlan) -> Cohort:
    return set_up_course(workspace_id=workspace.pk, plan=asked, actor=STAFF, now=NOW)


def nothing_stands() -> bool:
    models = (Program, ProgramInstance, Price, CourseStep, CourseStepOption, Cohort, ClassSession, OutboxEvent)
    return not any(model.objects.exists() for model in models)


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(timezone=CHICAGO)


class TestACourse:
    @pytest.mark.sqlite
    def test_is_made_with_all_it_needs_to_be_opened(self, workspace: Workspace) -> None:
        cohort = make(workspace, plan())

        program = cohort.instance.program
        assert (program.code, program.listed, str(cohort.instance.price)) == (
            "ROBOTS",
            True,
            "Robots, Live classes: 149.00 USD",
        )
        assert [str(step) for step in program.steps.order_by("order")] == ["Week 1: Wheels", "Week 2: Arms"]
        assert [each.name for each in GroupClass.objects.order_by("pk")] == ["Robots, Tuesday", "Robots, Thursday"]
        dates = cohort.sessions.order_by("class_session__date").values_list("class_session__date", flat=True)
        assert list(dates) == [dt.date(2027, 3, 2), dt.date(2027, 3, 9), dt.date(2027, 3, 11)]
        assert not cohort.is_active
        assert open_cohort(cohort_id=cohort.pk, now=NOW).is_active

    def test_chooses_what_was_left_open(self, workspace: Workspace) -> None:
        cohort = make(workspace, plan())

        assert (cohort.name, cohort.end_date, cohort.max_enrollment) == ("March 2027 cohort", dt.date(2027, 3, 14), 10)
        assert cohort.enrollment_deadline == dt.datetime(2027, 3, 1, 5, 59, tzinfo=dt.UTC)

    def test_keeps_what_was_chosen(self, workspace: Workspace) -> None:
        said = {"provider": "Robot Lab", "audience": "Ages 8 to 11", "location": "Room 12"}
        chosen = plan(name="Spring", end_date=dt.date(2027, 4, 1), deadline_date=START, places=4, **said)

        cohort = make(workspace, chosen)
        course = cohort.instance.program

        assert (cohort.name, cohort.end_date, cohort.max_enrollment) == ("Spring", dt.date(2027, 4, 1), 4)
        assert cohort.enrollment_deadline == dt.datetime(2027, 3, 2, 5, 59, tzinfo=dt.UTC)
        assert (course.taught_by, course.audience, cohort.location) == ("Robot Lab", "Ages 8 to 11", "Room 12")

    def test_meets_a_week_later_after_a_week_off(self, workspace: Workspace) -> None:
        asked = plan(days_off=(dt.date(2027, 3, 8),))

        cohort = make(workspace, asked)

        weeks = list_weeks(asked, cohort)
        assert [(week.first_day.day, week.is_off, len(week.sessions)) for week in weeks] == [
            (1, False, 1),
            (8, True, 0),
            (15, False, 2),
        ]
        assert cohort.end_date == dt.date(2027, 3, 21)

    def test_can_be_taught_in_a_class_that_exists(self, workspace: Workspace) -> None:
        known = GroupClassFactory(workspace=workspace, max_students=3)

        cohort = make(
            workspace, plan(classes=(ClassPlan(known_id=known.pk),), steps=(StepPlan("", "Wheels", classes=(0,)),))
        )

        assert (GroupClass.objects.get(), cohort.max_enrollment) == (known, 3)

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"steps": ()}, "steps"),
            ({"classes": (weekly(end_time=dt.time(17)),) * 2}, "classes[0].end_time"),
            ({"classes": (ClassPlan(known_id=999_999),) * 2}, "classes[0]"),
            ({"steps": (StepPlan("", "Wheels", classes=(7,)),)}, "steps[0].classes"),
            ({"code": "a code"}, "code"),
            ({"code": "browse"}, "code"),
            ({"price": Money(1, "usd")}, "priceMinor"),
            ({"price": Money(100, "xxx")}, "currency"),
            ({"end_date": START - dt.timedelta(days=1)}, "end_date"),
            ({"start_date": dt.date(1800, 1, 1)}, "start_date"),
            ({"start_date": dt.date(1900, 1, 1)}, "deadline_date"),
        ],
    )
    def test_that_can_not_be_leaves_nothing(self, workspace: Workspace, more: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as refusal:
            make(workspace, plan(**more))

        assert refusal.value.errors[0].field == field
        assert nothing_stands()
        assert not GroupClass.objects.exists()

    def test_that_ends_too_early_leaves_nothing_although_its_cohort_comes_last(self, workspace: Workspace) -> None:
        with pytest.raises(TermTooShort) as refusal:
            make(workspace, plan(end_date=dt.date(2027, 3, 5)))

        assert refusal.value.errors[0].field == "end_date"
        assert nothing_stands()

    def test_never_takes_a_class_of_another_workspace(self, workspace: Workspace) -> None:
        foreign = GroupClassFactory()

        with pytest.raises(Invalid):
            make(workspace, plan(classes=(ClassPlan(known_id=foreign.pk),) * 2))

        assert nothing_stands()

    def test_of_a_code_that_is_there_is_refused(self, workspace: Workspace) -> None:
        ProgramFactory(workspace=workspace, code="ROBOTS")

        with pytest.raises(ProgramExists):
            make(workspace, plan())

        assert Program.objects.count() == 1


class TestACodeIsProposed:
    @pytest.mark.parametrize(
        ("title", "code"), [("Coding Basics", "CODING-BASICS"), ("Matemática 1", "MATEMATICA-1"), ("数学", "PROGRAM")]
    )
    def test_from_the_title(self, workspace: Workspace, title: str, code: str) -> None:
        assert propose_code(workspace_id=workspace.pk, title=title) == code

    def test_which_nobody_else_has(self, workspace: Workspace) -> None:
        ProgramFactory(workspace=workspace, code="ROBOTS")
        ProgramFactory(code="ROBOTS-2", listed=True)
        ProgramFactory(code="ROBOTS-3")

        assert propose_code(workspace_id=workspace.pk, title="Robots") == "ROBOTS-3"


PAGE = "admin:cohorts_cohort_course"


def typed(act: str = "preview", **more: Any) -> dict[str, Any]:
    """Return what a browser submits for a course with one class and two steps when a button is pressed."""
    start = utc_now().date() + dt.timedelta(days=30)
    return {
        "act": act,
        "title": "Robots",
        "description": "Build one.",
        "listed": "on",
        "start_date": start.isoformat(),
        "zone": CHICAGO,
        "amount": "149.00",
        "currency": "USD",
        "classes-count": "1",
        "classes-0-key": "n1",
        "classes-0-day_of_week": "2",
        "classes-0-start_time": "17:00",
        "classes-0-end_time": "18:00",
        "classes-0-timezone": CHICAGO,
        "classes-0-seats": "8",
        "steps-count": "2",
        "steps-0-label": "Week 1",
        "steps-0-title": "Wheels",
        "steps-0-required": "on",
        "steps-0-classes": ["n1"],
        "steps-1-label": "Week 2",
        "steps-1-title": "Arms",
        "steps-1-required": "on",
        "steps-1-classes": ["n1"],
        **more,
    }


def text(answer: Any) -> str:
    return unescape(answer.content.decode())


def titles(answer: Any) -> list[tuple[str, str]]:
    return [(step["label"].value(), step["title"].value()) for step in answer.context["sections"]["steps"]]


class TestThePage:
    @pytest.fixture
    def staff(self, workspace: Workspace) -> StaffClient:
        return StaffClient(workspace=workspace, role=Role.OWNER)

    def test_asks_a_member_of_one_workspace_for_none(self, staff: StaffClient) -> None:
        answer = staff.get(reverse(PAGE))

        assert answer.status_code == 200
        assert [label for label, _ in titles(answer)] == ["Week 1", "Week 2", "Week 3", "Week 4"]
        assert "For which workspace?" not in text(answer)

    def test_asks_those_who_see_several(self, staff: StaffClient, workspace: Workspace) -> None:
        User.objects.filter(pk=staff.user.pk).update(is_superuser=True)
        other = WorkspaceFactory(name="Elsewhere")

        assert "For which workspace?" in text(staff.get(reverse(PAGE)))
        assert "A course for Elsewhere" in text(staff.get(f"{reverse(PAGE)}?workspace={other.pk}"))

    @pytest.mark.parametrize("told", ["workspace", "like"])
    def test_is_not_there_for_what_belongs_to_others(self, staff: StaffClient, told: str) -> None:
        other = cohort_with()
        number = other.pk if told == "like" else other.instance.workspace_id

        for value in (number, "x", 10**30):
            assert staff.get(f"{reverse(PAGE)}?{told}={value}").status_code == 404

    def test_is_for_those_who_manage(self, workspace: Workspace) -> None:
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)

        assert reviewer.get(reverse(PAGE)).status_code == 403
        assert reviewer.post(reverse(PAGE), typed()).status_code == 403

    def test_previews_what_families_see_and_makes_nothing(self, staff: StaffClient) -> None:
        answer = staff.post(reverse(PAGE), typed())

        foreseen = answer.context["foreseen"]
        assert [line.is_off for line in foreseen.lines] == [False, False]
        assert foreseen.gaps == ()
        assert "Robots" in foreseen.page
        assert "149.00 USD" in foreseen.page
        assert "8 of 8" in foreseen.page
        assert staff.user.email not in foreseen.page
        assert nothing_stands()

    def test_creates_what_was_previewed(self, staff: StaffClient) -> None:
        seen = staff.post(reverse(PAGE), typed()).context["seen"]

        answer = staff.post(reverse(PAGE), typed("create", seen=seen), follow=True)

        cohort = Cohort.objects.get()
        assert answer.redirect_chain[0][0] == reverse("admin:cohorts_cohort_change", args=[cohort.pk])
        assert "Robots is set up: 2 steps, 2 sessions." in text(answer)
        assert (cohort.instance.program.code, cohort.max_enrollment, cohort.is_active) == ("ROBOTS", 8, False)

    def test_creates_once_when_create_is_pressed_twice(self, staff: StaffClient) -> None:
        seen = staff.post(reverse(PAGE), typed()).context["seen"]
        staff.post(reverse(PAGE), typed("create", seen=seen))

        again = staff.post(reverse(PAGE), typed("create", seen=seen))

        assert again.status_code == 422
        assert Cohort.objects.count() == 1

    def test_shows_what_was_edited_after_the_preview_before_it_creates(self, staff: StaffClient) -> None:
        seen = staff.post(reverse(PAGE), typed()).context["seen"]

        answer = staff.post(reverse(PAGE), typed("create", seen=seen, amount="1.00"))

        assert "Something has changed since the preview." in text(answer)
        assert nothing_stands()

    def test_skips_a_week_and_shows_the_new_dates(self, staff: StaffClient) -> None:
        first_day = staff.post(reverse(PAGE), typed()).context["foreseen"].lines[1].first_day

        skipped = staff.post(reverse(PAGE), typed(f"skip:{first_day}"))
        back = staff.post(reverse(PAGE), typed(f"teach:{first_day}", off=[first_day]))

        assert [line.is_off for line in skipped.context["foreseen"].lines] == [False, True, False]
        assert [line.is_off for line in back.context["foreseen"].lines] == [False, False]

    @pytest.mark.parametrize(
        ("act", "expected"),
        [
            ("add:steps", [("Week 1", "Wheels"), ("Week 2", "Arms"), ("Week 3", "")]),
            ("up:steps:1", [("Week 1", "Arms"), ("Week 2", "Wheels")]),
            ("down:steps:1", [("Week 1", "Wheels"), ("Week 2", "Arms")]),
            ("remove:steps:0", [("Week 1", "Arms")]),
            ("remove:steps:9", [("Week 1", "Wheels"), ("Week 2", "Arms")]),
            ("weeks", [("Week 1", "Wheels"), ("Week 2", "Arms"), ("Week 3", "")]),
            ("nonsense", [("Week 1", "Wheels"), ("Week 2", "Arms")]),
        ],
    )
    def test_keeps_what_was_typed_while_rows_come_and_go(
        self, staff: StaffClient, act: str, expected: list[tuple[str, str]]
    ) -> None:
        answer = staff.post(reverse(PAGE), typed(act, weeks="3", amount="not money"))

        assert answer.status_code == 200
        assert titles(answer) == expected
        assert answer.context["form"]["amount"].value() == "not money"

    def test_offers_classes_of_its_workspace_alone(self, staff: StaffClient, workspace: Workspace) -> None:
        mine = GroupClassFactory(workspace=workspace)
        foreign = GroupClassFactory()

        used = staff.post(reverse(PAGE), typed("use", use=str(mine.pk)))
        stolen = staff.post(reverse(PAGE), typed("use", use=str(foreign.pk)))

        assert len(used.context["sections"]["classes"]) == 2
        assert used.context["sections"]["steps"][0]["classes"].value() == ["n1", f"k{mine.pk}"]
        assert len(stolen.context["sections"]["classes"]) == 1
        assert foreign.name not in text(stolen)

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"title": ""}, "title"),
            ({"title": "a\u202eb"}, "title"),
            ({"code": "no spaces please"}, "code"),
            ({"start_date": "0001-01-01"}, "start_date"),
            ({"start_date": "2199-12-31"}, "end_date"),
            ({"end_date": "1999-01-01"}, "end_date"),
            ({"zone": "Mars/Base"}, "zone"),
            ({"places": "0"}, "places"),
            ({"amount": "1e3"}, "amount"),
            ({"amount": "0.01"}, "amount"),
            ({"currency": "zzz"}, "currency"),
            ({"classes-0-end_time": "16:00"}, "classes-0-end_time"),
            ({"classes-0-seats": "99999999999999999999"}, "classes-0-seats"),
            ({"classes-0-known": "9"}, "classes-0-key"),
            ({"classes-0-known": "x", "classes-0-timezone": "Mars/Base"}, "classes-0-timezone"),
            ({"steps-0-classes": ["n1", "n99"]}, "steps-0-classes"),
            ({"steps-count": "0"}, "__all__"),
        ],
    )
    def test_says_beside_the_field_what_is_wrong(self, staff: StaffClient, more: dict[str, Any], field: str) -> None:
        answer = staff.post(reverse(PAGE), typed(**more))

        assert answer.status_code == 422
        assert field in answer.context["form"].errors
        assert nothing_stands()

    @pytest.mark.parametrize(
        "more",
        [
            {"steps-count": "9999999"},
            {"classes-count": "-1"},
            {"off": ["9999-12-31", "x", "0001-01-01"]},
            {"act": "skip:9999-12-31"},
            {"act": "teach:"},
            {"act": "use", "use": "\x00"},
            {"act": "weeks", "weeks": "10000000000"},
            {"classes-0-key": "\x00" * 30},
            {"act": "up:classes:99999999999999999999"},
        ],
    )
    def test_takes_what_no_page_sends(self, staff: StaffClient, more: dict[str, Any]) -> None:
        assert staff.post(reverse(PAGE), {**typed(), **more}).status_code in (200, 400, 422)
        assert nothing_stands()

    def test_begins_as_a_copy_of_another_course(self, staff: StaffClient, workspace: Workspace) -> None:
        model = cohort_with(instance__workspace=workspace, options=(1, 2))

        page = staff.get(f"{reverse(PAGE)}?like={model.pk}")

        assert titles(page) == [("Week 1", "Topic 1"), ("Week 2", "Topic 2")]
        assert len(page.context["sections"]["classes"]) == 3
        assert page.context["form"]["title"].value() == model.instance.program.title

    def test_costs_the_same_queries_with_one_class_and_with_many(
        self, staff: StaffClient, workspace: Workspace
    ) -> None:
        GroupClassFactory(workspace=workspace)
        with CaptureQueriesContext(connection) as one:
            staff.get(reverse(PAGE))
        GroupClassFactory.create_batch(5, workspace=workspace)
        with CaptureQueriesContext(connection) as many:
            staff.get(reverse(PAGE))

        assert len(many) == len(one)

    @pytest.mark.parametrize(
        "empty",
        ["cohorts_cohort", "cohorts_coursestep", "cohorts_groupclass", "billing_price"],
    )
    def test_is_where_empty_lists_lead(self, staff: StaffClient, empty: str) -> None:
        answer = staff.get(reverse(f"admin:{empty}_changelist"))

        assert f'href="{reverse(PAGE)}"' in text(answer)
