"""Callers who use the same names: two workspaces with the same ids, two families with the same Idempotency-Key."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.guardians import add_guardian, find_or_create_guardian
from accounts.models import Guardian, Learner, Workspace
from accounts.tests.factories import GuardianFactory, LearnerFactory, WorkspaceFactory, bearer
from billing.models import Checkout
from cohorts.models import CalendarFeed, CohortPlace
from cohorts.sale import checkout
from cohorts.tests.callers import Family, student_of
from cohorts.tests.factories import cohort_with
from cohorts.tests.purchases import enroll_url
from core.http import idempotency
from core.models import IdempotencyRecord
from demo.stripe import open_page
from enrollments.models import DistrictSeatAllocation, EnrollmentDecision
from enrollments.routing import route
from enrollments.tests.factories import InstanceFactory, seats

pytestmark = pytest.mark.django_db

ENROLL: dict[str, Any] = {
    "learner_profile": {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe", "learner_id": "S-1"},
    "context": {"tenant_id": 7, "guardian_id": "G-1"},
}
SEATS = {"tenant_id": 9, "total_seats": 3}
FEED = "/api/students/me/calendar-feed"
Post = Callable[[str, dict[str, Any]], Any]


def integrator(workspace: Workspace) -> Post:
    """A caller with an API key of their own, who names every request "one-key"."""
    headers = bearer(workspace=workspace) | {"Idempotency-Key": "one-key"}

    def post(path: str, body: dict[str, Any]) -> Any:
        return Client().post(path, body, content_type="application/json", headers=headers)

    return post


def relative(family: Family) -> Post:
    """A signed-in person who does the same."""
    return lambda path, body: family.post(path, body, **{"Idempotency-Key": "one-key"})


@pytest.fixture
def workspaces() -> tuple[Workspace, Workspace]:
    made = tuple(InstanceFactory().workspace for _ in range(2))
    for workspace in made:
        seats(workspace, total=5, tenant_id=7)
    return made[0], made[1]


@pytest.fixture
def _open_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(*, checkout_id: int, now: dt.datetime) -> Checkout:
        open_page(Checkout.objects.get(pk=checkout_id))
        return Checkout.objects.get(pk=checkout_id)

    for module in (checkout, route):
        monkeypatch.setattr(module, "submit_checkout", submit)


def is_replay(answer: Any) -> bool:
    return "Idempotent-Replayed" in answer


class TestOneKeyOfTwoIntegrators:
    def test_enrolls_in_each_of_their_workspaces(self, workspaces: tuple[Workspace, Workspace]) -> None:
        answers = [integrator(workspace)("/api/enroll", ENROLL) for workspace in workspaces]

        decisions = [EnrollmentDecision.objects.get(pk=answer.json()["decision_id"]) for answer in answers]
        assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(200, False)] * 2
        assert [decision.workspace for decision in decisions] == list(workspaces)
        assert [
            DistrictSeatAllocation.objects.get(district__workspace=workspace).used_seats for workspace in workspaces
        ] == [1, 1]

    def test_gives_seats_in_each_of_their_workspaces(self, workspaces: tuple[Workspace, Workspace]) -> None:
        answers = [integrator(workspace)("/api/districts/seats", SEATS) for workspace in workspaces]

        made = DistrictSeatAllocation.objects.filter(district__tenant_id=9).order_by("pk")
        assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(200, False)] * 2
        assert [allocation.district.workspace for allocation in made] == list(workspaces)

    def test_is_two_keys_within_one_workspace_as_well(self, workspaces: tuple[Workspace, Workspace]) -> None:
        first, second = integrator(workspaces[0]), integrator(workspaces[0])

        first("/api/districts/seats", SEATS)
        answer = second("/api/districts/seats", SEATS)

        assert (answer.status_code, answer.json()["code"]) == (409, "allocation_exists")

    @pytest.mark.parametrize(("path", "body"), [("/api/enroll", ENROLL), ("/api/districts/seats", SEATS)])
    def test_is_answered_to_the_same_one_again(
        self, workspaces: tuple[Workspace, Workspace], path: str, body: dict[str, Any]
    ) -> None:
        """Control: what the others do not get exists."""
        post = integrator(workspaces[0])

        answers = [post(path, body) for _ in range(2)]

        assert [is_replay(answer) for answer in answers] == [False, True]
        assert answers[0].json() == answers[1].json()


@pytest.mark.usefixtures("_open_pages")
class TestOneKeyOfTwoFamilies:
    @pytest.mark.sqlite
    def test_opens_a_payment_page_for_each(self) -> None:
        cohort = cohort_with(options=(1,))
        families = [student_of(cohort.instance.workspace, f"{name}@home.test") for name in ("abel", "baker")]

        answers = [relative(family)(enroll_url(cohort), {}) for family, _ in families]

        learners = [
            CohortPlace.objects.get(checkout__stripe_session_id=answer.json()["sessionId"]).learner
            for answer in answers
        ]
        assert [(answer.status_code, is_replay(answer)) for answer in answers] == [(200, False)] * 2
        assert learners == [learner for _, learner in families]

    def test_makes_each_a_calendar_address_of_its_own(self) -> None:
        families = [Family(f"{name}@home.test") for name in ("abel", "baker")]

        answers = [relative(family)(FEED, {}) for family in families]

        tokens = [answer.json()["url"].rpartition("/")[2].removesuffix(".ics") for answer in answers]
        owners = [CalendarFeed.objects.get(token=token).user for token in tokens]
        assert owners == [family.user for family in families]

    @pytest.mark.parametrize("kind", ["enroll", "feed"])
    def test_is_answered_to_the_same_one_again(self, kind: str) -> None:
        """Control."""
        cohort = cohort_with(options=(1,))
        post = relative(student_of(cohort.instance.workspace)[0])
        path = enroll_url(cohort) if kind == "enroll" else FEED

        answers = [post(path, {}) for _ in range(2)]

        assert [is_replay(answer) for answer in answers] == [False, True]
        assert answers[0].json() == answers[1].json()


@pytest.mark.usefixtures("_open_pages")
class TestOneKeyTooMany:
    @pytest.fixture(autouse=True)
    def _two_each(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.IDEMPOTENCY_KEYS_KEPT = {"key": 2, "user": 2}
        monkeypatch.setattr(idempotency, "_uncounted", {})

    def test_of_an_integrator_enrolls_nobody(self, workspaces: tuple[Workspace, Workspace]) -> None:
        headers = bearer(workspace=workspaces[0])

        def enroll(number: int) -> Any:
            body = ENROLL | {"learner_profile": ENROLL["learner_profile"] | {"learner_id": f"S-{number}"}}
            named = headers | {"Idempotency-Key": f"key-{number}"}
            return Client().post("/api/enroll", body, content_type="application/json", headers=named)

        answers = [enroll(number) for number in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["code"] == "too_many_idempotency_keys"
        assert int(answers[2]["Retry-After"]) > 86_000
        assert Learner.objects.count() == EnrollmentDecision.objects.count() == IdempotencyRecord.objects.count() == 2
        assert is_replay(enroll(0))

    def test_of_a_family_holds_no_place(self) -> None:
        family, _ = student_of(cohort_with(options=(1,)).instance.workspace)
        other = cohort_with(options=(1,))
        for number in range(2):
            family.post(FEED, {}, **{"Idempotency-Key": f"key-{number}"})

        answer = family.post(
            enroll_url(other), {"firstName": "Jane", "lastName": "Doe"}, **{"Idempotency-Key": "key-2"}
        )

        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_idempotency_keys")
        assert not CohortPlace.objects.exists()
        assert not Learner.objects.filter(workspace=other.instance.workspace).exists()


class TestOneIdInTwoWorkspaces:
    """What the other workspace has under the same id, and had first, is never found."""

    @pytest.fixture
    def theirs(self) -> Workspace:
        workspace: Workspace = WorkspaceFactory()
        GuardianFactory(workspace=workspace, external_id="G-1", email="parent@home.test")
        LearnerFactory(
            workspace=workspace, external_id="S-1", email="jane@school.test", first_name="Jane", last_name="Doe"
        )
        return workspace

    @pytest.mark.parametrize("times", [1, 2])
    def test_of_a_guardian_is_each_ones_own(self, theirs: Workspace, times: int) -> None:
        ours = WorkspaceFactory()

        found = [find_or_create_guardian(workspace_id=ours.pk, external_id="G-1") for _ in range(times)]

        assert {guardian.workspace_id for guardian in found} == {ours.pk}
        assert Guardian.objects.count() == 2

    @pytest.mark.parametrize("times", [1, 2])
    def test_of_a_guardian_s_address_as_well(self, theirs: Workspace, times: int) -> None:
        learner = LearnerFactory(last_name="Elsewhere")

        found = [
            add_guardian(workspace_id=learner.workspace_id, learner_id=learner.pk, email="parent@home.test")
            for _ in range(times)
        ]

        assert {guardian.workspace_id for guardian in found} == {learner.workspace_id}
        assert Guardian.objects.count() == 2

    @pytest.mark.parametrize("times", [1, 2])
    def test_of_a_learner_enrolls_our_own(
        self, theirs: Workspace, workspaces: tuple[Workspace, Workspace], times: int
    ) -> None:
        ours = workspaces[0]

        answers = [
            Client().post("/api/enroll", ENROLL, content_type="application/json", headers=bearer(workspace=ours))
            for _ in range(times)
        ]

        decisions = [EnrollmentDecision.objects.get(pk=answer.json()["decision_id"]) for answer in answers]
        assert {decision.learner.workspace for decision in decisions} == {ours}
        assert Learner.objects.filter(external_id="S-1").count() == 2

    @pytest.mark.usefixtures("_open_pages")
    def test_of_a_district_is_not_ours(self, theirs: Workspace) -> None:
        seats(theirs, total=5, tenant_id=7)
        ours = InstanceFactory().workspace

        answer = Client().post("/api/enroll", ENROLL, content_type="application/json", headers=bearer(workspace=ours))

        decision = EnrollmentDecision.objects.get(workspace=ours)
        assert (answer.status_code, decision.provision_source) == (200, "parent")
        assert (decision.tenant_id, decision.district) == (7, None)

    def test_in_a_filter_of_decisions_finds_our_own(self, workspaces: tuple[Workspace, Workspace]) -> None:
        for workspace in workspaces:
            integrator(workspace)("/api/enroll", ENROLL)
        headers = bearer(workspace=workspaces[0])
        filters: list[dict[str, Any]] = [
            {"tenant_id": 7},
            {"learner_email": "jane@school.test"},
            {"status": "completed"},
            {},
        ]

        found = [Client().get("/api/decisions", query, headers=headers).json() for query in filters]

        ours = EnrollmentDecision.objects.get(workspace=workspaces[0])
        assert [[row["decision_id"] for row in rows] for rows in found] == [[ours.pk]] * len(filters)

    @pytest.mark.sqlite
    def test_in_the_path_of_a_district_finds_and_changes_our_own(self, workspaces: tuple[Workspace, Workspace]) -> None:
        headers = bearer(workspace=workspaces[1])

        changed = Client().put(
            "/api/districts/7/seats", {"total_seats": 9}, content_type="application/json", headers=headers
        )

        totals = [
            DistrictSeatAllocation.objects.get(district__workspace=workspace).total_seats for workspace in workspaces
        ]
        assert (changed.status_code, totals) == (200, [5, 9])

    def test_of_a_program_instance_elsewhere_is_refused(self, workspaces: tuple[Workspace, Workspace]) -> None:
        theirs = workspaces[1].program_instances.get()
        headers = bearer(workspace=workspaces[0])
        bodies = {
            "/api/enroll": ENROLL | {"context": {"tenant_id": 7, "program_instance_id": theirs.cuid}},
            "/api/districts/seats": SEATS | {"program_instance_id": theirs.cuid},
        }

        answers = [
            Client().post(path, body, content_type="application/json", headers=headers) for path, body in bodies.items()
        ]

        assert [answer.status_code for answer in answers] == [422, 422]
        assert not Learner.objects.exists()
        assert not DistrictSeatAllocation.objects.filter(district__tenant_id=9).exists()
