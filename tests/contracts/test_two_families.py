"""Two families with objects of each kind, side by side in one cohort: each sees its own and nothing else."""

import copy
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts.models import Learner, User
from accounts.tests.factories import LearnerFactory
from billing.models import Checkout
from cohorts import family
from cohorts.learning.booking import cancel_booking
from cohorts.learning.calendar import cancelled_of, get_feed_owner, renew_feed, sessions_of
from cohorts.models import Cohort, CohortPlace
from cohorts.queries import packages_of
from cohorts.sale.participants import Participant, add_myself, find_participant
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.callers import Family, parent_of, proven_user
from cohorts.tests.factories import buy_on_rows, cohort_with, reserve
from cohorts.tests.purchases import PACKAGES, SESSIONS, START, enroll_url
from core.clock import utc_now
from core.errors import NotFound
from demo.stripe import expire, open_page
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF

pytestmark = pytest.mark.django_db

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NAMES = ("Has", "Had", "Pays", "Lapsed", "Waits", "Missed")


@dataclass(frozen=True, slots=True)
class Home:
    """A parent and a child for each of NAMES, by the family's own last name."""

    parent: Family
    children: dict[str, Learner]

    @property
    def user(self) -> User:
        return self.parent.user


def child(cohort: Cohort, first_name: str, last_name: str) -> Learner:
    made: Learner = LearnerFactory(workspace=cohort.instance.workspace, first_name=first_name, last_name=last_name)
    return made


def hold(cohort: Cohort, learner: Learner) -> Checkout:
    place = reserve(cohort, learner)
    assert place.checkout is not None
    open_page(place.checkout)
    return Checkout.objects.get(pk=place.checkout_id)


def home(cohort: Cohort, name: str) -> Home:
    """Its children: one has the course with a session booked, one had it, one has a place to pay for, one ran out of
    time to pay, one waits, and one gave a session back.
    """
    children = {first: child(cohort, first, name) for first in NAMES}
    buy_on_rows(cohort, children["Has"])
    ended = buy_on_rows(cohort, children["Had"])
    unenroll_enrollment(enrollment_id=ended.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())
    hold(cohort, children["Pays"])
    expire(hold(cohort, children["Lapsed"]))
    given_back = buy_on_rows(cohort, children["Missed"])
    booked = given_back.progress.get(status="BOOKED")
    cancel_booking(package_id=given_back.pk, step_id=booked.step_id, now=utc_now())
    return Home(parent_of(*children.values(), email=f"{name}@home.test".lower()), children)


@pytest.fixture(scope="module")
def homes_of_module(rows_of_module: None) -> tuple[Cohort, Home, Home]:
    cohort = cohort_with(options=(1,), start_date=START, max_enrollment=8)
    both = home(cohort, "Abel"), home(cohort, "Baker")
    Cohort.objects.filter(pk=cohort.pk).update(max_enrollment=6)  # full, so that there is a line
    for each in both:
        join_waitlist(learner_id=each.children["Waits"].pk, cohort_id=cohort.pk, now=utc_now())
    return cohort, *both


@pytest.fixture
def homes(homes_of_module: tuple[Cohort, Home, Home]) -> tuple[Cohort, Home, Home]:
    """Return a copy, whose objects do not remember what other tests read."""
    return copy.deepcopy(homes_of_module)


READS: dict[str, tuple[Callable[[User, Cohort], Any], set[str]]] = {
    "packages_of": (lambda user, cohort: packages_of(user), {"Has", "Missed"}),
    "live_packages": (
        lambda user, cohort: family.live_packages(user=user, course=cohort.instance.program),
        {"Has", "Missed"},
    ),
    "ended_packages": (lambda user, cohort: family.ended_packages(user=user), {"Had"}),
    "unpaid_places": (lambda user, cohort: family.unpaid_places(user=user), {"Pays"}),
    "waiting_entries": (lambda user, cohort: family.waiting_entries(user=user), {"Waits"}),
    "learners_in": (
        lambda user, cohort: family.learners_in(user=user, workspace_id=cohort.instance.workspace_id),
        set(NAMES),
    ),
    "sessions_of": (lambda user, cohort: sessions_of(user), {"Has"}),
    "cancelled_of": (lambda user, cohort: cancelled_of(user, since=LONG_AGO), {"Had", "Missed"}),
}


def learner_of(row: Any) -> Learner:
    if isinstance(row, Learner):
        return row
    learner: Learner = row.learner if hasattr(row, "learner") else row.package.learner
    return learner


@pytest.mark.sqlite
class TestEachReadOfAFamilys:
    @pytest.mark.parametrize("name", READS)
    def test_gives_its_own_children_and_nobody_elses(self, name: str, homes: tuple[Cohort, Home, Home]) -> None:
        cohort, ours, theirs = homes
        read, expected = READS[name]

        found = [sorted(str(learner_of(row)) for row in read(each.user, cohort)) for each in (ours, theirs)]

        assert found == [sorted(str(each.children[first]) for first in expected) for each in (ours, theirs)]


class TestEachPageOfAFamilys:
    @pytest.mark.parametrize("path", ["/my/enrollments", PACKAGES, SESSIONS, "course", "wizard"])
    def test_names_none_of_another_familys_children(self, path: str, homes: tuple[Cohort, Home, Home]) -> None:
        cohort, ours, _ = homes
        course = f"/courses/{cohort.instance.program.code}"
        path = {"course": course, "wizard": f"{course}/cohorts/{cohort.pk}/enroll"}.get(path, path)

        answer = ours.parent.get(path)

        assert answer.status_code == 200
        assert "Baker" not in answer.content.decode()
        assert any(name in answer.content.decode() for name in NAMES)

    def test_of_an_enrollment_or_a_learner_is_nobody_elses(self, homes: tuple[Cohort, Home, Home]) -> None:
        _, ours, theirs = homes

        own, foreign = ({ours.parent.get(page).status_code for page in _pages_of(each)} for each in (ours, theirs))

        assert (own, foreign) == ({200}, {404})


def _pages_of(each: Home) -> Iterator[str]:
    """Return the pages of single enrollments and learners."""
    for first, page in (("Has", "leave"), ("Had", "refund")):
        learner = each.children[first]
        enrollment = f"/my/enrollments/{Enrollment.objects.get(learner=learner).cuid}"
        yield from (enrollment, f"{enrollment}/{page}", f"/my/learners/{learner.cuid}/name")


class TestAFeed:
    def test_holds_the_sessions_of_its_own_family_alone(self, homes: tuple[Cohort, Home, Home]) -> None:
        _, ours, theirs = homes
        feed = renew_feed(user=ours.user, now=utc_now())

        text = Client().get(f"/calendar/{feed.token}.ics").content.decode()

        assert get_feed_owner(token=feed.token) == ours.user
        own, other = (
            {f"session-{row.pk}@" for row in [*sessions_of(each.user), *cancelled_of(each.user, since=LONG_AGO)]}
            for each in (ours, theirs)
        )
        assert [len(own), len(other)] == [3, 3]
        assert {uid in text for uid in own} == {True}
        assert {uid in text for uid in other} == {False}


class TestAnUnpaidPlace:
    def test_of_a_child_is_found_by_its_own_family_alone(self, homes: tuple[Cohort, Home, Home]) -> None:
        cohort, ours, theirs = homes
        place = CohortPlace.objects.get(learner=theirs.children["Pays"])
        assert place.checkout is not None
        session_id = str(place.checkout.stripe_session_id)
        cuid = theirs.children["Pays"].cuid

        found = [family.find_unpaid_place(user=each.user, cohort=cohort, learner_cuid=cuid) for each in (ours, theirs)]

        assert found == [None, place]
        assert family.get_purchase(user=theirs.user, session_id=session_id, now=utc_now()).place == place
        with pytest.raises(NotFound):
            family.get_purchase(user=ours.user, session_id=session_id, now=utc_now())

    @pytest.mark.sqlite
    def test_is_not_called_off_by_another_family(self, homes: tuple[Cohort, Home, Home]) -> None:
        cohort, ours, theirs = homes
        place = CohortPlace.objects.get(learner=theirs.children["Pays"])
        path = f"/courses/{cohort.instance.program.code}/cohorts/{cohort.pk}/left"

        for method in (ours.parent.client.get, ours.parent.client.post):
            method(path, {"learner": theirs.children["Pays"].cuid})

        place.refresh_from_db()
        assert place.status == "held"
        assert place.checkout is not None
        assert place.checkout.cancel_requested_at is None


@pytest.mark.sqlite
class TestALine:
    def test_is_left_by_its_own_family_alone(self, homes: tuple[Cohort, Home, Home]) -> None:
        _, ours, theirs = homes
        entry = family.waiting_entries(user=theirs.user).get()

        refused = ours.parent.client.post(f"/my/waiting/{entry.pk}/leave")
        status = family.waiting_entries(user=theirs.user).get().status
        theirs.parent.client.post(f"/my/waiting/{entry.pk}/leave")

        assert refused.status_code in (302, 404)
        assert status == "waiting"
        assert not family.waiting_entries(user=theirs.user).exists()


class TestAChild:
    def test_is_enrolled_by_its_own_family_alone(self, homes: tuple[Cohort, Home, Home]) -> None:
        cohort, ours, theirs = homes
        child = theirs.children["Lapsed"]
        body = {"learnerId": child.cuid}
        before = CohortPlace.objects.count()

        answers = [
            ours.parent.post(enroll_url(cohort), body),
            ours.parent.post(enroll_url(cohort).replace("/enroll", "/waitlist"), body),
        ]

        assert [answer.status_code for answer in answers] == [404, 404]
        assert CohortPlace.objects.count() == before
        named = Participant(cuid=child.cuid)
        assert find_participant(user=theirs.user, workspace_id=child.workspace_id, participant=named) == child


class TestAFamilyOfTwoWorkspaces:
    """The same parent has a child in each of two schools: what is one school's is not offered by the other."""

    @pytest.fixture
    def cohorts(self) -> tuple[Cohort, Cohort]:
        return cohort_with(options=(1,)), cohort_with(options=(1,))

    def test_chooses_among_the_learners_of_the_course_s_own(self, cohorts: tuple[Cohort, Cohort]) -> None:
        here, there = cohorts
        ours, theirs = child(here, "Here", "Doe"), child(there, "There", "Doe")
        parent_of(ours, email="parent@home.test")
        parent = parent_of(theirs, email="parent@home.test")

        answer = parent.post(enroll_url(here), {"learnerId": theirs.cuid})
        page = parent.get(f"/courses/{here.instance.program.code}/cohorts/{here.pk}/enroll").content.decode()

        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "learnerId")
        assert "Here Doe" in page
        assert "There Doe" not in page
        assert not CohortPlace.objects.filter(cohort__in=cohorts).exists()

    @pytest.mark.parametrize("named", [True, False])
    def test_is_a_learner_of_each_by_itself(self, cohorts: tuple[Cohort, Cohort], named: bool) -> None:
        here, there = (cohort.instance.workspace_id for cohort in cohorts)
        user = proven_user("sam@home.test")
        known = add_myself(user=user, workspace_id=there, first_name="Sam", last_name="Doe")
        who = Participant(first_name="Sam", last_name="Doe") if named else Participant()

        found = [find_participant(user=user, workspace_id=workspace, participant=who) for workspace in (here, there)]

        assert found == [None, known]
