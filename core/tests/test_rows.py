import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, connection, models, transaction
from django_fsm import FSMField

from core.models import IdempotencyRecord
from core.rows import insert_alike, insert_rows, insert_unless_present, lock_rows, stored_as_it_is, update_row

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


def row(**change):
    fields = {"scope": "key:1", "key": "a", "fingerprint": "f", "locked_until": NOON, "created_at": NOON} | change
    return IdempotencyRecord(**fields)


@pytest.mark.django_db
class TestInsertingRows:
    def test_stores_all_of_them_in_their_order_by_one_statement(self, django_assert_num_queries):
        rows = [row(key=key, response_body={"key": key}) for key in "abc"]

        with django_assert_num_queries(1):
            insert_rows(rows)

        stored = IdempotencyRecord.objects.order_by("id")
        assert [each.pk for each in stored] == [each.pk for each in rows]
        assert [(each.key, each.locked_until, each.response_body) for each in stored] == [
            (key, NOON, {"key": key}) for key in "abc"
        ]

    def test_makes_rows_that_can_be_saved_again(self):
        fresh = row()
        insert_rows([fresh])

        fresh.fingerprint = "changed"
        fresh.save()

        assert IdempotencyRecord.objects.get().fingerprint == "changed"

    def test_refuses_them_all_when_one_is_there_already(self):
        insert_rows([row(key="a", fingerprint="first")])

        with pytest.raises(IntegrityError), transaction.atomic():
            insert_rows([row(key="b"), row(key="a", fingerprint="second")])

        assert IdempotencyRecord.objects.get().fingerprint == "first"

    def test_asks_the_database_nothing_when_there_are_none(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            insert_rows([])

        assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db
@pytest.mark.sqlite
class TestInsertingRowsThatAreAlike:
    def test_stores_a_copy_for_each_of_the_values(self):
        pattern = row(response_body={"key": "shared"})

        insert_alike(pattern, fields=("key", "fingerprint"), values=[("a", "x"), ("b", "y")])

        stored = IdempotencyRecord.objects.order_by("id").values_list(
            "key", "fingerprint", "locked_until", "response_body"
        )
        assert list(stored) == [("a", "x", NOON, {"key": "shared"}), ("b", "y", NOON, {"key": "shared"})]
        assert pattern.pk is None

    def test_refuses_them_all_when_one_is_there_already(self):
        insert_rows([row(key="a")])

        with pytest.raises(IntegrityError), transaction.atomic():
            insert_alike(row(), fields=("key",), values=[("b",), ("a",)])

        assert IdempotencyRecord.objects.count() == 1

    def test_asks_the_database_nothing_when_there_are_none(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            insert_alike(row(), fields=("key",), values=[])

        assert not IdempotencyRecord.objects.exists()


class Shouted(models.CharField):
    """A text field that prepares its values."""

    def get_prep_value(self, value):
        return super().get_prep_value(value).upper()


class TestAValueThatIsStoredAsItIs:
    @pytest.mark.parametrize(
        ("field", "python_type"),
        [
            (models.CharField(), str),
            (models.EmailField(), str),
            (models.TextField(), str),
            (FSMField(), str),
            (models.PositiveIntegerField(), int),
            (LogEntry._meta.get_field("user"), int),
        ],
    )
    def test_is_text_or_a_whole_number(self, field, python_type):
        assert stored_as_it_is(field) is python_type

    @pytest.mark.parametrize(
        "field", [Shouted(), models.JSONField(), models.DateTimeField(), models.DecimalField(), models.BooleanField()]
    )
    def test_is_not_one_whose_field_prepares_it(self, field):
        assert stored_as_it_is(field) is None


@pytest.mark.django_db
class TestInsertingUnlessPresent:
    def test_stores_every_field_and_sets_the_key(self):
        fresh = row(response_status=201, response_body={"at": NOON, "ok": True})

        inserted = insert_unless_present(fresh)

        stored = IdempotencyRecord.objects.get()
        assert inserted
        assert stored.pk == fresh.pk
        assert (stored.scope, stored.locked_until, stored.response_status) == ("key:1", NOON, 201)
        assert stored.response_body == {"at": "2026-09-01T12:00:00Z", "ok": True}

    def test_leaves_what_is_there_alone(self):
        insert_unless_present(row(fingerprint="first"))
        second = row(fingerprint="second")

        inserted = insert_unless_present(second)

        assert not inserted
        assert second.pk is None
        assert IdempotencyRecord.objects.get().fingerprint == "first"

    def test_makes_a_row_that_can_be_saved_again(self):
        fresh = row()
        insert_unless_present(fresh)

        fresh.fingerprint = "changed"
        fresh.save()

        assert IdempotencyRecord.objects.get().fingerprint == "changed"

    def test_yields_to_a_row_that_is_the_same_where_it_must_not_be(self):
        insert_unless_present(row(key="b"))

        inserted = insert_unless_present(row(key="a"), unless_same=("scope",))

        assert not inserted
        assert IdempotencyRecord.objects.count() == 1

    def test_goes_ahead_when_no_row_is_the_same(self):
        insert_unless_present(row(scope="key:2"))

        inserted = insert_unless_present(row(key="a"), unless_same=("scope",))

        assert inserted


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestLockingRows:
    def test_keeps_others_from_changing_them_until_the_transaction_ends(self):
        rows = [row(key=key) for key in "ab"]
        insert_rows(rows)

        with transaction.atomic():
            lock_rows(IdempotencyRecord, rows[0].pk)
            free = from_another_connection(change_what_is_free)
        after = from_another_connection(change_what_is_free)

        assert (free, after) == (["b"], ["a", "b"])


def from_another_connection(call):
    def run():
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result(timeout=30)


def change_what_is_free() -> list[str]:
    """Change the rows that nobody has locked; return their keys."""
    with transaction.atomic():
        found = IdempotencyRecord.objects.select_for_update(skip_locked=True, no_key=True).order_by("key")
        return list(found.values_list("key", flat=True))


@pytest.mark.django_db
@pytest.mark.sqlite
class TestUpdatingARow:
    def test_saves_the_named_fields_and_no_others(self):
        changed = row(response_status=None)
        insert_rows([changed])
        changed.response_status, changed.response_body, changed.fingerprint = 200, {"a": 1}, "not saved"

        assert update_row(changed, "response_status", "response_body")

        stored = IdempotencyRecord.objects.get()
        assert (stored.response_status, stored.response_body, stored.fingerprint) == (200, {"a": 1}, "f")

    def test_leaves_a_row_alone_that_has_changed_since(self):
        changed = row(scope="key:2")
        insert_rows([changed])
        changed.key = "b"

        assert not update_row(changed, "key", where={"scope": "key:1"})

        assert IdempotencyRecord.objects.get().key == "a"
