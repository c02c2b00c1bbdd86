"""A partner's stand-in: its API, its books, and the page on which a course is taken."""

from typing import Any

import httpx
import pytest

from sandbox.testing import SandboxProcess

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
