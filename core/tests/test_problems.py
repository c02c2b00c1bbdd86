import contextlib
import select

import psycopg
import pytest
from django.db import InternalError, NotSupportedError, OperationalError, connection, transaction

from core.http.problems import exception_handler

pytestmark = pytest.mark.urls("core.tests.sample_api")


class TestARefusalOfAUseCase:
    def test_is_a_problem_document(self, client):
        response = client.get("/api/refuse/not-found", headers={"X-Request-Id": "req-12345678"})

        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
        assert response.json() == {
            "type": "http://127.0.0.1:8000/problems/not_found",
            "title": "Not found",
            "status": 404,
            "detail": "No such thing.",
            "code": "not_found",
            "request_id": "req-12345678",
        }

    def test_names_its_fields(self, client):
        response = client.get("/api/refuse/invalid")

        assert response.status_code == 422
        assert response.json()["errors"] == [{"field": "a.b", "code": "wrong", "detail": "Not this."}]

    def test_says_when_to_come_back(self, client):
        response = client.get("/api/refuse/unavailable")

        assert response.status_code == 503
        assert response["Retry-After"] == "5"

    def test_carries_what_else_it_knows(self, client):
        response = client.get("/api/refuse/with-more")

        assert response.status_code == 409
        assert response.json()["current_status"] == "approved"


class TestABodyThatDoesNotValidate:
    def test_names_each_field_by_its_path(self, client):
        response = client.post(
            "/api/validated", data={"text": "x" * 11, "tags": ["fine", []]}, content_type="application/json"
        )

        assert response.status_code == 422
        assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [
            ("text", "max_length"),
            ("tags[1]", "invalid"),
        ]

    def test_tells_them_all_in_one_sentence(self, client):
        response = client.post(
            "/api/validated", data={"text": "x" * 11, "tags": ["fine", []]}, content_type="application/json"
        )

        assert response.json()["detail"] == (
            "text: Ensure this field has no more than 10 characters; tags[1]: Not a valid string."
        )


class TestWhatDjangoRefuses:
    @pytest.mark.parametrize("path", ["/api/nothing/here", "/api/nothing/", "/api/"])
    def test_an_unknown_path_is_a_problem_document(self, client, path):
        response = client.get(path)

        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "not_found"

    def test_a_method_nobody_answers_is_a_problem_document(self, client):
        response = client.delete("/api/echo")

        assert response.status_code == 405
        assert response["Content-Type"] == "application/problem+json"
        assert response["Allow"] == "GET, POST, HEAD, OPTIONS"

    def test_an_unacceptable_format_is_a_problem_document(self, client):
        response = client.get("/api/echo", headers={"Accept": "application/xml"})

        assert response.status_code == 406
        assert response["Content-Type"] == "application/problem+json"

    def test_a_foreign_host_is_a_problem_document(self, client):
        response = client.get("/api/echo", headers={"Host": "evil.test"})

        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"

    def test_a_bug_is_a_problem_document_that_tells_nothing(self, client):
        client.raise_request_exception = False

        response = client.get("/api/refuse/bug", headers={"X-Request-Id": "req-12345678"})

        assert response.status_code == 500
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["request_id"] == "req-12345678"
        assert b"secret detail" not in response.content


@transaction.atomic
def wait_too_long(setting):
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL {setting} = 10")
        select.select([cursor.connection.pgconn.socket], [], [], 20)  # until PostgreSQL says that it ends the session
        cursor.execute("SELECT 1")


@transaction.atomic
def continue_after_an_error():
    with connection.cursor() as cursor:
        with contextlib.suppress(psycopg.DataError):
            cursor.cursor.execute("SELECT 1/0")
        cursor.execute("SELECT 1")


class TestABusyDatabase:
    def test_is_a_503_that_says_when_to_come_back(self):
        response = exception_handler(OperationalError("canceling statement due to lock timeout"), {})

        assert response is not None
        assert response.status_code == 503
        assert response["Retry-After"] == "2"
        assert response.data["code"] == "database_busy"

    def test_is_what_a_statement_comes_to_that_was_prepared_before_a_migration(self):
        response = exception_handler(NotSupportedError("cached plan must not change result type"), {})

        assert response is not None
        assert (response.status_code, response["Retry-After"]) == (503, "2")

    def test_is_what_a_session_comes_to_that_is_ended_while_it_commits(self):
        """psycopg receives the answer to COMMIT and, at the same time, why the session ends."""
        response = exception_handler(InternalError("received 2 results from command 'COMMIT'"), {})

        assert response is not None
        assert (response.status_code, response["Retry-After"]) == (503, "2")

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite ends no sessions")
    @pytest.mark.parametrize("setting", ["idle_in_transaction_session_timeout", "transaction_timeout"])
    def test_is_what_a_session_comes_to_that_is_ended_because_its_transaction_waited_too_long(self, setting):
        with pytest.raises(InternalError) as ended:
            wait_too_long(setting)

        response = exception_handler(ended.value, {})

        assert response is not None
        assert response.status_code == 503

    @pytest.mark.django_db
    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite goes on after an error")
    def test_is_not_what_a_transaction_comes_to_that_continues_after_an_error(self):
        """Control: that is a bug, and repeating the request would not help."""
        with pytest.raises(InternalError) as bug:
            continue_after_an_error()

        assert exception_handler(bug.value, {}) is None

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.race
    def test_is_what_a_lock_timeout_comes_to(self):
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 50")
            with pytest.raises(OperationalError) as timeout:
                cursor.execute("SELECT pg_sleep(5)")
            cursor.execute("RESET statement_timeout")

        response = exception_handler(timeout.value, {})

        assert response is not None
        assert response.status_code == 503


class TestARequestId:
    def test_is_the_callers_when_sane(self, client):
        response = client.get("/api/echo", headers={"X-Request-Id": "order-2026.09_1"})

        assert response["X-Request-Id"] == "order-2026.09_1"

    @pytest.mark.parametrize("offered", ["short", "x" * 65, "with space here", "line\nbreak-in-id", ""])
    def test_is_ours_otherwise(self, client, offered):
        response = client.get("/api/echo", headers={"X-Request-Id": offered})

        assert response["X-Request-Id"] != offered
        assert len(response["X-Request-Id"]) == 24


class TestATrailingSlash:
    @pytest.mark.parametrize("path", ["/api/echo", "/api/echo/"])
    def test_makes_no_difference(self, client, path):
        assert client.get(path).status_code == 200
        assert client.post(path, data={"a": 1}, content_type="application/json").json() == {"body": {"a": 1}}
