"""Webhook endpoints over HTTP: what integrators set up, view, and request again."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory, bearer
from core.clock import utc_now
from core.models import IdempotencyRecord
from events.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from events.states import DeliveryStatus

from .factories import listen, tell

pytestmark = pytest.mark.django_db

WANTED = {"url": "https://receiver.example.test/hooks", "eventTypes": ["thing.*"], "description": "LMS"}
ENDPOINTS = "/api/webhookEndpoints"


class Integrator:
    def __init__(self, workspace: Workspace) -> None:
        self._client = Client(headers=bearer(workspace=workspace))

    def get(self, path: str) -> Any:
        return self._client.get(path)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self._client.generic(
            method, path, data=json.dumps(body or {}), content_type="application/json", headers=headers
        )


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made


@pytest.fixture
def integrator(workspace: Workspace) -> Integrator:
    return Integrator(workspace)


class TestAnEndpoint:
    @pytest.mark.sqlite
    def test_is_made_and_its_secret_told_once(self, integrator: Integrator) -> None:
        answer = integrator.send("POST", ENDPOINTS, WANTED)

        made = answer.json()
        endpoint = WebhookEndpoint.objects.get()
        assert answer.status_code == 201
        assert made["secret"] == endpoint.secret
        assert {key: made[key] for key in WANTED} == WANTED
        told = integrator.get(f"{ENDPOINTS}/{made['id']}").json()
        assert told == {key: value for key, value in made.items() if key != "secret"}
        assert integrator.get(ENDPOINTS).json() == [told]

    def test_is_made_once_for_one_idempotency_key_and_the_secret_is_not_kept(self, integrator: Integrator) -> None:
        first = integrator.send("POST", ENDPOINTS, WANTED, **{"Idempotency-Key": "a"})
        again = integrator.send("POST", ENDPOINTS, WANTED, **{"Idempotency-Key": "a"})

        assert WebhookEndpoint.objects.count() == 1
        assert again.json() == {**first.json(), "secret": None}
        assert "whsec_" not in json.dumps(IdempotencyRecord.objects.get().response_body)

    @pytest.mark.parametrize(
        ("fault", "field"),
        [
            ({"url": "nowhere"}, "url"),
            ({"url": None}, "url"),
            ({"url": "https://[::1]:x/"}, "url"),
            ({"eventTypes": ["thing.lost"]}, "eventTypes"),
            ({"eventTypes": []}, "eventTypes"),
            ({"eventTypes": "*"}, "eventTypes"),
            ({"description": "x" * 201}, "description"),
        ],
    )
    def test_that_is_wrong_is_refused_by_its_field(
        self, integrator: Integrator, fault: dict[str, Any], field: str
    ) -> None:
        answer = integrator.send("POST", ENDPOINTS, {**WANTED, **fault})

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].split(".")[0] == field
        assert not WebhookEndpoint.objects.exists()

    def test_changes_by_what_is_sent(self, workspace: Workspace, integrator: Integrator) -> None:
        endpoint = listen(workspace, now=utc_now())
        path = f"{ENDPOINTS}/{endpoint.cuid}"

        off = integrator.send("PATCH", path, {"enabled": False, "eventTypes": ["seat.used"]}).json()
        on = integrator.send("PATCH", path, {"enabled": True}).json()

        assert (off["enabled"], off["disabledReason"], off["eventTypes"]) == (False, "by_hand", ["seat.used"])
        assert (on["enabled"], on["disabledReason"], on["url"]) == (True, "", endpoint.url)

    def test_that_is_deleted_is_found_no_more(self, workspace: Workspace, integrator: Integrator) -> None:
        endpoint = listen(workspace, now=utc_now())
        tell(workspace, "a", now=utc_now())
        path = f"{ENDPOINTS}/{endpoint.cuid}"

        assert integrator.send("DELETE", path).status_code == 204

        assert integrator.get(path).status_code == 404
        assert integrator.get(f"/api/webhookDeliveries/{WebhookDelivery.objects.get().cuid}").status_code == 404

    def test_gets_another_secret(self, workspace: Workspace, integrator: Integrator) -> None:
        endpoint = listen(workspace, now=utc_now())

        answer = integrator.send("POST", f"{ENDPOINTS}/{endpoint.cuid}/rotate")

        changed = WebhookEndpoint.objects.get()
        assert answer.json()["secret"] == changed.secret != endpoint.secret
        assert changed.previous_secret == endpoint.secret


class TestDeliveries:
    def test_are_listed_with_their_tries(self, workspace: Workspace, integrator: Integrator) -> None:
        now = utc_now()
        endpoint = listen(workspace, now=now)
        first, _ = tell(workspace, "a", "b", now=now)
        WebhookAttempt.objects.create(delivery=first, at=now, milliseconds=12, status=500, error="It answered 500.")
        WebhookDelivery.objects.filter(pk=first.pk).update(status=DeliveryStatus.FAILED)

        both = integrator.get(f"{ENDPOINTS}/{endpoint.cuid}/deliveries").json()
        (failed,) = integrator.get(f"{ENDPOINTS}/{endpoint.cuid}/deliveries?status=failed").json()
        wrong = integrator.get(f"{ENDPOINTS}/{endpoint.cuid}/deliveries?status=lost")

        assert [each["aggregate"] for each in both] == ["thing:b", "thing:a"]
        assert (failed["type"], failed["eventId"]) == ("thing.happened", first.event and first.event.cuid)
        assert [(each["status"], each["error"]) for each in failed["attempts"]] == [(500, "It answered 500.")]
        assert integrator.get(f"/api/webhookDeliveries/{first.cuid}").json() == failed
        assert wrong.status_code == 422

    @pytest.mark.sqlite
    def test_cost_the_same_queries_however_many_there_are(
        self, workspace: Workspace, integrator: Integrator, django_assert_max_num_queries: Any
    ) -> None:
        endpoint = listen(workspace, now=utc_now())
        tell(workspace, *"abcdefghijkl", now=utc_now())

        with django_assert_max_num_queries(8):
            integrator.get(f"{ENDPOINTS}/{endpoint.cuid}/deliveries")

    @pytest.mark.sqlite
    def test_are_sent_again_one_or_all_that_failed(self, workspace: Workspace, integrator: Integrator) -> None:
        endpoint = listen(workspace, now=utc_now())
        first, *_ = tell(workspace, "a", "b", "c", now=utc_now())
        WebhookDelivery.objects.update(status=DeliveryStatus.FAILED)

        one = integrator.send("POST", f"/api/webhookDeliveries/{first.cuid}/redeliver")
        rest = integrator.send("POST", f"{ENDPOINTS}/{endpoint.cuid}/redeliverFailed")

        assert (one.status_code, one.json()["status"]) == (202, "pending")
        assert (rest.status_code, rest.json()) == (202, {"count": 2})

    @pytest.mark.sqlite
    def test_of_a_range_are_asked_for(self, workspace: Workspace, integrator: Integrator) -> None:
        tell(workspace, "a", now=utc_now())
        endpoint = listen(workspace, now=utc_now())
        path = f"{ENDPOINTS}/{endpoint.cuid}/replay"
        day = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}

        answers = [
            integrator.send("POST", path, body)
            for body in (day, {**day, "eventTypes": ["thing.lost"]}, {"since": day["until"], "until": day["since"]})
        ]

        assert [answer.status_code for answer in answers] == [202, 422, 422]
        assert answers[0].json() == {"count": 1}
        assert [answer.json()["errors"][0]["field"] for answer in answers[1:]] == ["eventTypes", "until"]

    def test_begin_with_a_ping(self, workspace: Workspace, integrator: Integrator) -> None:
        endpoint = listen(workspace, now=utc_now())

        answer = integrator.send("POST", f"{ENDPOINTS}/{endpoint.cuid}/ping")

        told = answer.json()
        assert (answer.status_code, told["type"], told["eventId"], told["attempts"]) == (202, "ping", None, [])

    def test_are_not_asked_for_where_the_endpoint_is_off(self, workspace: Workspace, integrator: Integrator) -> None:
        endpoint = listen(workspace, now=utc_now())
        integrator.send("PATCH", f"{ENDPOINTS}/{endpoint.cuid}", {"enabled": False})

        answer = integrator.send("POST", f"{ENDPOINTS}/{endpoint.cuid}/ping")

        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_endpoint_disabled")
        assert not WebhookDelivery.objects.exists()
