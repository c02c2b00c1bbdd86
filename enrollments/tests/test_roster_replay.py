"""Replaying a roster of learners who are not enrolled against supposed seats: line by line, and without a trace."""

import io
import tracemalloc
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import Learner
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from core.errors import Invalid
from core.money import Money
from enrollments.allocations.replay import Funding
from enrollments.imports.faults import UnreadableFile
from enrollments.imports.reading import Format
from enrollments.imports.roster_replay import FundedLine, RosterOutcome, fund_roster
from enrollments.models import DistrictSeatAllocation, Enrollment, ProgramInstance, WhatIf
from enrollments.tests.factories import InstanceFactory, seats

from .integrators import Api
from .test_what_ifs import question

pytestmark = pytest.mark.django_db

HEADER = "firstName,lastName,email\n"
ROSTER = HEADER + (
    "Ana,Roe,ana@school.test\n"
    "Ben,Roe,no address\n"
    "Cleo,Roe,cleo@school.test\n"
    "Ana,Roe,ANA@school.test\n"
    "Dan,Roe,dan@school.test\n"
)


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory()


@pytest.fixture
def api(instance: ProgramInstance) -> Api:
    return Api(instance.workspace)


def supply(instance: ProgramInstance, total: int) -> list[DistrictSeatAllocation]:
    allocation = seats(instance.workspace, total=total)
    return [DistrictSeatAllocation(pk=7, district=allocation.district, total_seats=total)]


def fund(
    instance: ProgramInstance, text: str, supplied: list[DistrictSeatAllocation]
) -> tuple[RosterOutcome, list[FundedLine]]:
    outcome, lines = fund_roster(
        instance=instance,
        tenant_id=1,
        file=io.BytesIO(text.encode()),
        kind=Format.CSV,
        supply=supplied,
        now=utc_now(),
    )
    return outcome, list(lines)


class TestARoster:
    def test_asks_in_its_order_and_tells_each_line_at_fault(self, instance: ProgramInstance) -> None:
        outcome, lines = fund(instance, ROSTER, supply(instance, 2))

        told = [(line.number, line.name, line.funding, line.fault and line.fault.field) for line in lines]
        assert told == [
            (2, "Ana Roe", Funding.DISTRICT, None),
            (3, "", None, "email"),
            (4, "Cleo Roe", Funding.DISTRICT, None),
            (5, "Ana Roe", None, "row"),
            (6, "Dan Roe", Funding.PARENT, None),
        ]
        assert instance.price is not None
        assert (outcome.taken, outcome.faults) == ({7: 2}, 2)
        assert outcome.parents_pay == {instance.price.currency: instance.price.amount_minor}

    def test_is_read_line_by_line(self, instance: ProgramInstance) -> None:
        """Only what identifies a line's learner is kept; its text would take a hundred times as much."""
        padding = " " * 20_000
        text = "firstName,lastName,email,metadata.note\n" + "".join(
            f"A{number},Roe,a{number}@school.test,{padding}\n" for number in range(200)
        )
        file = io.BytesIO(text.encode())
        supplied = supply(instance, 150)
        tracemalloc.start()

        outcome, lines = fund_roster(
            instance=instance, tenant_id=1, file=file, kind=Format.CSV, supply=supplied, now=utc_now()
        )
        for _ in lines:
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert dict(outcome.counted) == {Funding.DISTRICT: 150, Funding.PARENT: 50}
        assert peak < len(text) // 2

    def test_of_more_lines_or_without_columns_is_refused(
        self, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("enrollments.imports.roster_replay.MOST_LINES", 4)

        with pytest.raises(Invalid, match="at most 4 learners"):
            fund(instance, ROSTER, [])
        with pytest.raises(UnreadableFile):
            fund(instance, "nothing\n", [])


class TestInTheBackOffice:
    def test_it_is_tried_with_the_seats_of_a_what_if_and_kept_nowhere(self, instance: ProgramInstance) -> None:
        client = StaffClient(workspace=instance.workspace, role=Role.ADMIN)
        seats(instance.workspace, total=2, seat_price=Money(900, "usd"))
        what_if = question(instance.workspace)
        result = what_if.result
        address = reverse("admin:enrollments_whatif_try_roster", args=[what_if.pk])
        body = {"district": what_if.proposals.get().district_id, "instance": instance.pk}

        page = client.post(address, body | {"file": SimpleUploadedFile("a.csv", ROSTER.encode())}).content.decode()
        broken = client.post(address, body | {"file": SimpleUploadedFile("a.csv", b"nothing\n")}).content.decode()

        assert "18.00 USD" in page
        assert page.count("Parent payment") == 1
        assert "This is the learner of line 2." in page
        assert "There is no column nothing" in broken
        what_if.refresh_from_db()
        assert what_if.result == result
        assert not Learner.objects.filter(email="ana@school.test").exists()


class TestOverTheApi:
    def test_it_says_who_would_pay_and_keeps_nothing(self, api: Api, instance: ProgramInstance) -> None:
        seats(instance.workspace, total=1, seat_price=Money(900, "usd"))
        body: dict[str, Any] = {
            "first_day": "2020-01-01",
            "last_day": "2099-12-31",
            "seats": [{"tenant_id": 1, "total_seats": 2}],
            "tenant_id": 1,
            "program_instance_id": instance.cuid,
            "roster": ROSTER,
        }

        told = api.post("/api/what-ifs/roster", body).json()
        refused = api.post("/api/what-ifs/roster", body | {"roster": "nothing"}).json()

        assert (told["district"], told["parent"], told["faults"], told["districts_pay"]) == (2, 1, 2, {"usd": 1800})
        assert told["seats"] == [{"tenant_id": 1, "program_instance_id": None, "total_seats": 2, "funded": 2}]
        assert told["lines"][1]["fault"].startswith("email: ")
        assert [line["funding"] for line in told["lines"]] == ["district", None, "district", None, "parent"]
        assert refused["errors"][0]["field"] == "roster"
        assert not WhatIf.objects.exists()
        assert not Enrollment.objects.exists()
