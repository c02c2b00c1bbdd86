"""Single allocations and seats over the API."""

from typing import Any

import pytest

from accounts.tests.factories import LearnerFactory
from enrollments.models import DistrictSeatAllocation, Enrollment, ProgramInstance, SeatAssignment, WhatIf
from enrollments.tests.factories import InstanceFactory, route, seats
from events.models import OutboxEvent
from notifications.models import Notification

from .integrators import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory()


@pytest.fixture
def api(instance: ProgramInstance) -> Api:
    return Api(instance.workspace)


@pytest.fixture
def seat(instance: ProgramInstance) -> SeatAssignment:
    """Return Ana's seat, one of two."""
    seats(instance.workspace, total=2, term="First")
    held = route(instance.workspace, email="ana@school.test").decision.seat
    assert held is not None
    return held


def counts() -> tuple[Any, ...]:
    taken = DistrictSeatAllocation.objects.order_by("id").values_list("total_seats", "reserved_seats", "used_seats")
    written = (OutboxEvent, Notification, Enrollment, SeatAssignment)
    return (*taken, *(model.objects.count() for model in written))


class TestAnAllocation:
    def test_tells_its_use_and_who_holds_its_seats(self, api: Api, seat: SeatAssignment) -> None:
        use = api.get(f"/api/allocations/{seat.allocation_id}").json()
        (held,) = api.get(f"/api/allocations/{seat.allocation_id}/seats").json()

        assert (use["allocation"]["used_seats"], use["reclaimed"]) == (1, {"seats": 0, "passed_on": 0})
        assert use["forecast"]["words"] == "Too few were taken in these days to say when they run out."
        assert (held["id"], held["enrollment_id"], held["status"]) == (seat.pk, seat.enrollment.cuid, "used")

    def test_is_renewed_once_and_told_before(self, api: Api, seat: SeatAssignment) -> None:
        body: dict[str, Any] = {"valid_from": "2031-01-01", "term": "Second"}
        address, before = f"/api/allocations/{seat.allocation_id}/renew", counts()

        tried = api.post(address, body | {"dry_run": True}).json()
        unchanged = counts() == before
        made = [api.post(address, body).json() for _ in range(2)]

        told = {"term": "Second", "total_seats": 1, "valid_until": "2031-12-31", "allocation_id": None}
        assert told.items() <= tried.items()
        assert unchanged
        assert made[0] == made[1] == tried | {"allocation_id": made[0]["allocation_id"], "dry_run": False}

    def test_seats_the_learners_of_a_list(self, api: Api, instance: ProgramInstance, seat: SeatAssignment) -> None:
        roster = "email,first_name,last_name\nben@school.test,Ben,Roe\nana@school.test,,\n"
        body = {"program_instance_id": instance.cuid, "roster": roster}
        address, before = f"/api/allocations/{seat.allocation_id}/roster", counts()

        tried = api.post(address, body | {"dry_run": True}).json()
        unchanged = counts() == before
        done = api.post(address, body).json()

        assert (tried["seated"], done["seated"], unchanged) == (1, 1, True)
        assert done["lines"][1] == {
            "line": 3, "fault": "They already hold a seat of this allocation.", "decision_id": None,
        }  # fmt: skip


class TestASeat:
    @pytest.mark.parametrize("move", ["release", "reassign", "transfer"])
    def test_is_moved_as_a_dry_run_said(
        self, api: Api, instance: ProgramInstance, seat: SeatAssignment, move: str
    ) -> None:
        other = LearnerFactory(workspace=instance.workspace)
        second = seats(instance.workspace, total=1, term="Second")
        bodies: dict[str, dict[str, Any]] = {
            "release": {"reason": "Moved away"},
            "reassign": {"reason": "Moved away", "learner_id": other.cuid},
            "transfer": {"allocation_id": second.pk},
        }
        body = bodies[move]
        address, before = f"/api/seats/{seat.pk}/{move}", counts()

        tried = api.post(address, body | {"dry_run": True}).json()
        unchanged = counts() == before
        done = api.post(address, body).json()
        again = api.post(address, body)

        alike = ("status", "allocation_id", "learner_id", "release_reason")
        assert [tried["seat"][name] for name in alike] == [done["seat"][name] for name in alike]
        assert (tried["available_seats"], tried["dry_run"], unchanged) == (done["available_seats"], True, True)
        assert (again.status_code, again.json()["code"]) == (409, "seat_gone")


class TestWhatIf:
    def test_says_who_would_pay_and_keeps_nothing(
        self, api: Api, instance: ProgramInstance, seat: SeatAssignment
    ) -> None:
        days = {"first_day": "2020-01-01", "last_day": "2099-12-31"}
        none = {"tenant_id": 1, "total_seats": 0}
        before = counts()

        as_it_was = api.post("/api/what-ifs", days).json()
        without = api.post("/api/what-ifs", days | {"seats": [none]}).json()
        twice = api.post("/api/what-ifs", days | {"seats": [none, none]})
        unknown = api.post("/api/what-ifs", days | {"seats": [none | {"tenant_id": 99}]})

        assert (as_it_was["happened"]["district"], as_it_was["changed"]) == (1, 0)
        assert (without["supposed"]["parent"], without["changed"]) == (1, 1)
        assert without["seats"] == [{"tenant_id": 1, "program_instance_id": None, "total_seats": 0, "funded": 0}]
        assert [each.json()["errors"][0]["field"] for each in (twice, unknown)] == [
            "seats[1].tenant_id",
            "seats[0].tenant_id",
        ]
        assert (counts(), WhatIf.objects.count()) == (before, 0)
