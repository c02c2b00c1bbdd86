"""The tables that only grow, cut into parts: what holds of them whole holds of them in parts."""

import datetime as dt

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction

from core.clock import utc_now
from core.http.idempotency import AlreadyAnswered, Claim, KeyReused, forget_old_answers
from core.invariants import Extent
from core.models import IdempotencyRecord
from core.partitions import ANSWERS, CannotPartition, convert
from core.rows import insert_unless_present, insert_with_keys
from enrollments.models import EnrollmentTransition, ProgramInstance
from enrollments.tests.factories import CandidateFactory, InstanceFactory, route, seats
from operations.partitions import PARTITIONINGS, make_all_parts_ahead, tables_have_parts_for_what_comes

pytestmark = pytest.mark.django_db
HISTORY = PARTITIONINGS[0]
NOW = utc_now()
DAY = dt.timedelta(days=1)


def claimed(key: str, *, now: dt.datetime = NOW, body: str = "a") -> Claim:
    claim = Claim(scope="key:1", key=key, fingerprint=body)
    claim.take(now)
    return claim


def part_of(row: models.Model) -> str:
    table = type(row)._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {table} WHERE id = %s", [row.pk])
        name: str = cursor.fetchone()[0]
        return name


def key_of(claim: Claim) -> IdempotencyRecord:
    return IdempotencyRecord.objects.get(pk=claim.record_id)


def breaches() -> list[str]:
    return [breach.fact for breach in tables_have_parts_for_what_comes(Extent(now=NOW, workspace_id=None))]


@pytest.fixture(scope="module")
def in_parts(rows_of_module: None) -> None:
    """All of the tables, with rows from before."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps plain tables")
    workspace = InstanceFactory().workspace
    seats(workspace, total=5)
    route(workspace, email="before@school.test")
    claimed("before").store(201, {"old": True})
    with connection.cursor() as cursor:  # what waits for the end of the transaction would be in the way
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    call_command("partition_tables", "--json")


@pytest.mark.usefixtures("in_parts")
class TestTablesInParts:
    def test_keep_their_rows_and_have_parts_for_what_comes(self) -> None:
        assert all(each.is_done() for each in PARTITIONINGS)
        assert EnrollmentTransition.objects.exists()
        assert IdempotencyRecord.objects.get().response_body == {"old": True}
        assert breaches() == []
        assert make_all_parts_ahead(now=NOW) == []

    def test_take_the_history_of_who_enrolls_next(self) -> None:
        workspace = EnrollmentTransition.objects.all()[0].enrollment.workspace
        enrollment = route(workspace, email="after@school.test").decision.enrollment

        numbers = list(enrollment.transitions.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, len(numbers) + 1)) != []

    def test_refuse_two_steps_of_one_number(self) -> None:
        first = EnrollmentTransition.objects.order_by("pk")[0]
        first.pk = None

        with pytest.raises(IntegrityError, match="enrollment_id, number"), transaction.atomic():
            first.save()

    def test_refuse_a_state_that_there_is_not(self) -> None:
        row = EnrollmentTransition.objects.order_by("pk")[0]

        with pytest.raises(IntegrityError, match="transition_facet_known"), transaction.atomic():
            EnrollmentTransition.objects.filter(pk=row.pk).update(facet="mood")

    def test_put_enrollments_far_apart_into_different_parts(self) -> None:
        edge = max(part.until for part in HISTORY.parts() if isinstance(part.until, int))
        width = int(HISTORY.width or 0)
        far = CandidateFactory(pk=edge + width // 2, instance=ProgramInstance.objects.get())
        first = EnrollmentTransition.objects.order_by("pk")[0]
        row = EnrollmentTransition(**{field.attname: getattr(first, field.attname) for field in first._meta.fields})
        row.pk, row.enrollment_id = None, far.pk

        made = make_all_parts_ahead(now=NOW)
        insert_with_keys([row])

        assert made == [f"enrollments_enrollmenttransition_{edge}", f"enrollments_enrollmenttransition_{edge + width}"]
        assert part_of(row) == f"enrollments_enrollmenttransition_{edge}"

    def test_answer_a_key_from_before_as_before(self) -> None:
        with pytest.raises(AlreadyAnswered) as answered:
            claimed("before")
        with pytest.raises(KeyReused):
            claimed("before", body="b")

        assert answered.value.body == {"old": True}

    def test_take_a_key_once_though_two_parts_could_hold_it(self) -> None:
        later = NOW + 4 * DAY
        first = claimed("once", now=later)
        again = IdempotencyRecord(
            scope="key:1", key="once", fingerprint="a", locked_until=NOW, created_at=later - 2 * DAY
        )

        assert not insert_unless_present(again)

        assert IdempotencyRecord.objects.filter(key="once").count() == 1
        assert part_of(key_of(first)) == f"core_idempotencyrecord_{later:%Y%m%d}"

    def test_move_a_key_to_the_day_on_which_it_is_used_again(self) -> None:
        first = claimed("again")
        assert part_of(key_of(first)) == "core_idempotencyrecord_first"

        second = claimed("again", now=NOW + 5 * DAY, body="b")

        assert second.record_id == first.record_id
        assert part_of(key_of(second)) == f"core_idempotencyrecord_{NOW + 5 * DAY:%Y%m%d}"

    def test_are_not_converted_twice(self) -> None:
        with pytest.raises(CannotPartition, match="converted already"):
            convert(ANSWERS, now=NOW)


@pytest.mark.usefixtures("in_parts")
class TestPartsThatAreOver:
    def test_go_with_all_of_their_answers_and_new_ones_come(self) -> None:
        claimed("old")
        claimed("new", now=NOW + 5 * DAY)

        assert forget_old_answers(now=NOW + 5 * DAY) == 3
        assert [record.key for record in IdempotencyRecord.objects.all()] == ["new"]
        made = make_all_parts_ahead(now=NOW + 5 * DAY)
        assert len(made) == 5


@pytest.mark.usefixtures("in_parts")
class TestTheDoctor:
    def test_sees_rows_that_no_part_was_made_for(self) -> None:
        claimed("far", now=NOW + 90 * DAY)

        assert breaches() == ["has 1 rows in its default part"]

    def test_sees_that_no_part_is_made_ahead(self) -> None:
        later = Extent(now=NOW + 20 * DAY, workspace_id=None)

        assert [breach.row for breach in tables_have_parts_for_what_comes(later)] == ["table core_idempotencyrecord"]


class TestSQLite:
    def test_keeps_its_tables_whole(self) -> None:
        if connection.vendor == "postgresql":
            pytest.skip("PostgreSQL cuts them")

        with pytest.raises(CannotPartition, match="Only PostgreSQL"):
            convert(ANSWERS, now=NOW)
