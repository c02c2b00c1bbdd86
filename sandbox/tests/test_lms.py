"""A partner's stand-in: its API, its books, and the course page."""

from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from sandbox.testing import SandboxProcess, wait_until
from sandbox.tests.conftest import Receiver

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1wYXJ0bmVyLWhlcmU="

TAUGHT = {
    "id": "enr_demo1",
    "reference": "step-9",
    "course_id": "algebra",
    "learner": {"id": "c9"},
    "status": "active",
    "progress": 40,
    "created": 1_700_000_000,
    "completed": None,
}
BODY = {"course_id": "algebra", "reference": "step-1", "learner": {"id": "c1"}}


def enroll(http: httpx.Client, *, key: str = "", **changes: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return http.post("/lms/acme/enrollments", json=BODY | changes, headers=headers)


class TestAPartner:
    def test_takes_a_learner_once_per_key(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        first = enroll(http, key="k")
        again = enroll(http, key="k")

        assert (first.status_code, first.json()) == (again.status_code, again.json())
        assert [row["id"] for row in sandbox.partner("acme")["enrollments"]] == [first.json()["id"]]

    def test_that_honors_no_keys_takes_them_again(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        sandbox.partner("acme", honors_keys=False)

        enroll(http, key="k")
        enroll(http, key="k")

        assert len(sandbox.partner("acme")["enrollments"]) == 2

    def test_with_a_key_of_its_own_takes_no_other(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        sandbox.partner("acme", api_key="secret")

        assert enroll(http).status_code == 401

    def test_lists_by_reference(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        made = enroll(http).json()
        enroll(http, reference="step-2")

        found = http.get("/lms/acme/enrollments", params={"reference": "step-1"}).json()

        assert found == [made]

    @pytest.mark.parametrize("body", ["", "[]", "7", '{"course_id": "algebra"}'])
    def test_refuses_what_is_no_enrollment(self, sandbox: SandboxProcess, http: httpx.Client, body: str) -> None:
        assert http.post("/lms/acme/enrollments", content=body).status_code in (400, 422)

    def test_refuses_an_unknown_course(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        assert enroll(http, course_id="unknown-1").status_code == 422

    def test_ends_an_enrollment(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        ref = enroll(http).json()["id"]

        assert http.delete(f"/lms/acme/enrollments/{ref}").json()["status"] == "withdrawn"
        assert http.get("/lms/acme/enrollments/nothing").status_code == 404


class TestTheCourse:
    def test_is_taken_by_two_buttons(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        made = enroll(http).json()

        sandbox.take_course(made["launch_url"], button="progress")
        assert "50 %" in http.get(made["launch_url"]).text
        sandbox.take_course(made["launch_url"])

        kept = http.get(f"/lms/acme/enrollments/{made['id']}").json()
        assert (kept["status"], kept["progress"]) == ("completed", 100)
        assert "completed_at" in kept
        assert "Completed" in http.get(made["launch_url"]).text


class TestWhatItTells:
    def test_comes_signed_with_each_step_of_the_course(
        self, sandbox: SandboxProcess, http: httpx.Client, receiver: Receiver
    ) -> None:
        sandbox.partner("acme", webhook_url=receiver.url, secret=SECRET)
        made = enroll(http).json()

        sandbox.take_course(made["launch_url"], button="progress")
        sandbox.take_course(made["launch_url"])
        sandbox.take_course(made["launch_url"])
        receiver.wait_for(5)

        told = [(event["event"], event["data"].get("progress")) for event in receiver.events]
        assert told == [
            ("enrollment.created", None),
            ("progress.updated", 50),
            ("progress.updated", 100),
            ("course.completed", None),
            ("certificate.issued", None),
        ]
        assert {event["data"]["enrollmentId"] for event in receiver.events} == {made["id"]}
        for headers, body in receiver.requests:
            Webhook(SECRET).verify(body, headers)

    def test_is_told_again_under_its_id_until_it_is_heard(
        self, sandbox: SandboxProcess, http: httpx.Client, receiver: Receiver
    ) -> None:
        receiver.answers = [500]
        sandbox.partner("acme", webhook_url=receiver.url, secret=SECRET)

        enroll(http)
        receiver.wait_for(2)

        first, second = (headers["webhook-id"] for headers, _ in receiver.requests)
        assert first == second

    def test_suffers_the_faults_of_its_partner(
        self, sandbox: SandboxProcess, http: httpx.Client, receiver: Receiver
    ) -> None:
        sandbox.partner("acme", webhook_url=receiver.url, secret=SECRET)
        path = "/lms/acme"
        sandbox.faults(webhooks={"value": "drop", "path": path, "times": 1})
        enroll(http, reference="dropped")
        sandbox.faults(webhooks={"value": "hold", "path": path, "times": 1})
        enroll(http, reference="held")
        sandbox.faults(webhooks={"value": "duplicate", "path": "/lms/other"})
        enroll(http, reference="told")
        receiver.wait_for(1)

        assert [message["state"] for message in sandbox.partner("acme")["messages"]][:2] == ["dropped", "held"]
        assert sandbox.flush_partners() == 1
        receiver.wait_for(2)
        wait_until(lambda: [m["state"] for m in sandbox.partner("acme")["messages"]][1:] == ["delivered"] * 2)

    def test_needs_a_secret_to_be_signed_with(self, sandbox: SandboxProcess) -> None:
        with pytest.raises(httpx.HTTPStatusError, match="secret"):
            sandbox.partner("acme", webhook_url="http://127.0.0.1:9/")

        assert sandbox.partner("acme")["messages"] == []

    def test_may_be_garbage_instead_of_an_answer(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        sandbox.faults(garbage={"value": True, "times": 1, "path": "/lms/acme"})

        with pytest.raises(ValueError, match="Expecting value"):
            enroll(http).json()

        assert len(sandbox.partner("acme")["enrollments"]) == 1


class TestADialect:
    def test_has_names_of_its_own_for_everything(
        self, sandbox: SandboxProcess, http: httpx.Client, receiver: Receiver
    ) -> None:
        sandbox.partner("acme", dialect="campus", webhook_url=receiver.url, secret=SECRET)

        refused = enroll(http)
        asked = {"courseCode": "algebra", "externalRef": "step-1", "student": {"mail": "j@s.test"}}
        made = http.post("/lms/acme/enrollments", json=asked).json()["registration"]
        sandbox.take_course(made["links"]["start"])

        assert refused.json() == {"error": "Missing: courseCode, externalRef, student."}
        (listed,) = http.get("/lms/acme/enrollments", params={"externalRef": "step-1"}).json()["items"]
        assert (listed["number"], listed["state"], listed["percent"]) == (made["number"], "done", 100)
        assert http.get("/lms/acme/enrollments", params={"externalRef": "step-2"}).json() == {"items": []}
        receiver.wait_for(4)
        told = {body["type"]: body["registration"] for body in receiver.events}
        assert set(told) == {"registration.new", "registration.moved", "registration.done", "diploma.ready"}
        assert told["registration.done"] == {"number": made["number"], "finishedOn": listed["finishedOn"]}
        assert told["diploma.ready"] == {"number": made["number"], "diploma": listed["diploma"]}

    def test_that_nobody_speaks_is_refused(self, sandbox: SandboxProcess) -> None:
        with pytest.raises(httpx.HTTPStatusError, match="dialect"):
            sandbox.partner("acme", dialect="klingon")


class TestThePastOfAPartner:
    def test_is_in_its_books_and_nobody_is_told_of_it(self, sandbox: SandboxProcess, http: httpx.Client) -> None:
        sandbox.partner("acme", webhook_url="http://127.0.0.1:9/", secret=SECRET)

        answer = sandbox.control("lms/acme/history", {"enrollments": [TAUGHT]})

        books = sandbox.partner("acme")
        assert answer == {"enrollments": 1}
        assert [(row["id"], row["status"], row["progress"]) for row in books["enrollments"]] == [
            ("enr_demo1", "active", 40)
        ]
        assert books["messages"] == []

    @pytest.mark.parametrize(
        "change", [{"status": "asleep"}, {"status": "completed"}, {"completed": 1_700_000_500}, {"progress": "half"}]
    )
    def test_is_refused_whole_if_it_can_t_have_been(self, sandbox: SandboxProcess, change: dict[str, Any]) -> None:
        told = [TAUGHT, TAUGHT | {"id": "enr_demo2"} | change]

        with pytest.raises(httpx.HTTPStatusError, match="enrollments\\[1\\]"):
            sandbox.control("lms/acme/history", {"enrollments": told})

        assert sandbox.partner("acme")["enrollments"] == []
