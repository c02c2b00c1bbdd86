import json

import pytest

pytestmark = pytest.mark.urls("core.tests.sample_api")


def post(client, body, content_type="application/json", path="/api/echo", **headers):
    return client.post(path, data=body, content_type=content_type, **headers)


def fields(response):
    return [error["field"] for error in response.json()["errors"]]


class TestABodyThatIsNoJSON:
    @pytest.mark.parametrize("body", ["{", '{"a": }', "nope", '{"a": 1,}', "{'a': 1}", '{"a": "\t"}', b"\xff\xfe{}"])
    def test_is_a_bad_request(self, client, body):
        response = post(client, body)

        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "parse_error"
        assert response.json()["detail"].startswith("The body is not valid JSON:")


class TestABodyThatCannotBeKept:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ('{"a": "x\\u0000y"}', "a"),
            ('{"a": {"b": ["ok", "\\ud800"]}}', "a.b[1]"),
            ('{"a": 9223372036854775808}', "a"),
            ('{"a": -9223372036854775809}', "a"),
            ('{"a": ' + "9" * 5_000 + "}", "a"),
            ('{"a": 1e400}', "a"),
            ('{"a": 1e30}', "a"),
            ('{"a": [1, NaN]}', "a[1]"),
            ('{"a": [{"b": [[1, NaN]]}]}', "a[0].b[0][1]"),
            ('{"a": -Infinity}', "a"),
            ('{"a": {"\\u0000": 1}}', "a"),
            ('{"\\u0000": 1}', "body"),
            ("[]", "body"),
            ('"text"', "body"),
            ("null", "body"),
            ("7", "body"),
        ],
    )
    def test_is_refused_by_the_field_s_name(self, client, body, field):
        response = post(client, body)

        assert response.status_code == 422
        assert response["Content-Type"] == "application/problem+json"
        assert fields(response) == [field]

    def test_is_refused_when_too_deep(self, client):
        response = post(client, '{"a":' * 21 + "1" + "}" * 21)

        assert response.status_code == 422
        assert fields(response) == [".".join("a" * 20)]

    def test_is_refused_when_too_deep_for_any_parser(self, client):
        response = post(client, '{"a":' + "[" * 100_000 + "]" * 100_000 + "}")

        assert response.status_code == 422
        assert fields(response) == ["body"]


class TestABodyThatCanBeKept:
    def test_arrives_as_it_was_sent(self, client):
        body = {"a": 2**63 - 1, "b": [1.5, None, True, "Zoë 🎓"], "c": {"d": -(2**63) + 1}}

        response = post(client, json.dumps(body))

        assert response.json() == {"body": body}

    def test_may_be_as_deep_as_allowed(self, client):
        response = post(client, '{"a":' * 20 + "1" + "}" * 20)

        assert response.status_code == 200

    def test_may_be_empty(self, client):
        response = post(client, "")

        assert response.json() == {"body": {}}


class TestABodyOfAnotherKind:
    @pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/xml", ""])
    def test_is_an_unsupported_media_type(self, client, content_type):
        response = post(client, "a=1", content_type=content_type)

        assert response.status_code == 415
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["detail"].endswith("Send a body with Content-Type: application/json.")


class TestABodyThatIsTooLarge:
    def test_is_refused_without_being_read(self, client):
        class Unreadable:
            def read(self, *args):
                raise AssertionError("the body was read")

            readline = read

        response = client.generic(
            "POST",
            "/api/echo",
            content_type="application/json",
            CONTENT_LENGTH="10000000",
            **{"wsgi.input": Unreadable()},
        )

        assert response.status_code == 413
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["detail"] == "The body is larger than 1,000,000 bytes."

    @pytest.mark.parametrize("path", ["/api/echo", "/api/unknown"])
    def test_is_refused_on_every_path(self, client, path):
        response = post(client, '{"a": "' + "x" * 1_000_000 + '"}', path=path)

        assert response.status_code == 413

    def test_is_refused_at_one_byte_more_than_allowed(self, client):
        frame = len('{"a":""}')

        largest = post(client, '{"a":"' + "x" * (1_000_000 - frame) + '"}')
        larger = post(client, '{"a":"' + "x" * (1_000_001 - frame) + '"}')

        assert largest.status_code == 200
        assert larger.status_code == 413

    def test_must_say_how_long_it_is(self, client):
        response = client.generic(
            "POST", "/api/echo", content_type="application/json", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked"
        )

        assert response.status_code == 411


class TestAnAddressWithNul:
    def test_is_refused_in_the_query_by_parameter(self, client):
        response = client.get("/api/echo?email=a%00b&status=paid")

        assert response.status_code == 422
        assert fields(response) == ["email"]

    def test_is_unknown_as_a_path(self, client):
        response = client.get("/api/refuse/%00")

        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
