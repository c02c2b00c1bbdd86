"""Cancellation quotes over HTTP: requested, confirmed once, and invisible to others."""

from typing import Any

import pytest

from accounts.tests.factories import WorkspaceFactory
from enrollments.models import CancellationQuote, Enrollment, SeatAssignment

from .factories import InstanceFactory, route, seats
from .integrators import Api, fields

pytestmark = pytest.mark.django_db

QUOTES = "/api/cancellationQuotes"


@pytest.fixture
def enrollment() -> Enrollment:
    """Return an approved enrollment on a district's seat."""
    workspace = WorkspaceFactory()
    InstanceFactory(workspace=workspace)
    seats(workspace, total=1)
    route(workspace)
    return Enrollment.objects.get()


@pytest.fixture
def api(enrollment: Enrollment) -> Api:
    return Api(enrollment.workspace)


def ask(api: Api, *cuids: str) -> Any:
    return api.post(QUOTES, {"enrollmentIds": list(cuids)})


class TestAQuote:
    def test_tells_what_ends_and_that_no_money_is_concerned(self, api: Api, enrollment: Enrollment) -> None:
        answer = ask(api, enrollment.cuid)

        assert answer.status_code == 201
        made = answer.json()
        assert made["confirmedAt"] is None
        assert made["exits"] == [
            {
                "enrollmentId": enrollment.cuid,
                "settlement": "no_money",
                "currency": "",
                "paidMinor": 0,
                "returnedBeforeMinor": 0,
                "keptMinor": 0,
                "comesBackMinor": 0,
                "place": "",
                "sessions": 0,
                "freesSeat": True,
            }
        ]
        assert api.get(f"{QUOTES}/{made['id']}").json() == made

    def test_confirmed_frees_the_seat_once(self, api: Api, enrollment: Enrollment) -> None:
        made = ask(api, enrollment.cuid).json()

        first = api.post(f"{QUOTES}/{made['id']}/confirm", {"reason": "They move"})
        again = api.post(f"{QUOTES}/{made['id']}/confirm", {"reason": "They move"})

        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json() == again.json()
        enrollment = Enrollment.objects.get()
        assert (enrollment.eligibility_status, enrollment.eligibility_reason) == ("unenrolled", "They move")
        assert SeatAssignment.objects.get().status == "released"

    def test_is_refused_for_what_can_t_be_left(self, api: Api, enrollment: Enrollment) -> None:
        made = ask(api, enrollment.cuid).json()
        api.post(f"{QUOTES}/{made['id']}/confirm", {"reason": "They move"})

        assert ask(api, enrollment.cuid).json()["code"] == "cant_leave"
        assert ask(api, "c2345678901234567890").status_code == 404
        twice = ask(api, enrollment.cuid, enrollment.cuid)
        assert (twice.status_code, fields(twice)) == (422, ["enrollmentIds"])
        assert CancellationQuote.objects.count() == 1

    def test_is_nobody_elses(self, api: Api, enrollment: Enrollment) -> None:
        made = ask(api, enrollment.cuid).json()
        colleague = Api(enrollment.workspace)
        stranger = Api(WorkspaceFactory())

        for other in (colleague, stranger):
            assert other.get(f"{QUOTES}/{made['id']}").status_code == 404
            assert other.post(f"{QUOTES}/{made['id']}/confirm", {"reason": "Mine"}).status_code == 404
        assert Enrollment.objects.get().eligibility_status == "approved"
