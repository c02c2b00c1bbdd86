"""The production gateway against a partner's stand-in, over HTTP: the effect of each response and each fault."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Workspace
from core import vendors
from core.breaker import Breaker
from core.outbound import Answer
from partners.enrolling import enroll_step
from partners.gateways.contract import EnrollmentRequest, PartnerDown, PartnerEnrollment, PartnerNews, PartnerRefuses
from partners.gateways.rest import RestGateway
from partners.models import EnrollmentStep, Provider
from partners.providers import change_provider
from partners.tests.factories import NOON, approved, steps_of
from sandbox.testing import SandboxProcess

REQUEST = EnrollmentRequest(
    reference="step-1", course_id="algebra", learner_cuid="c1", email="j@school.test", first_name="J", last_name="D"
)


@pytest.fixture
def lms(sandbox_process: SandboxProcess) -> Iterator[SandboxProcess]:
    sandbox_process.reset()
    sandbox_process.partner("acme", api_key="key-1")
    yield sandbox_process
    sandbox_process.clear_faults()


def provider(lms: SandboxProcess, **fields: Any) -> Provider:
    return Provider(
        **{
            "workspace": Workspace(pk=1),
            "slug": "acme",
            "base_url": f"{lms.url}/lms/acme/",
            "api_key": "key-1",
            "timeout_seconds": 5,
            **fields,
        }
    )


@pytest.fixture
def gateway(lms: SandboxProcess) -> RestGateway:
    return RestGateway(provider(lms), Breaker(failures=2, seconds=60))


def books(lms: SandboxProcess) -> list[dict[str, Any]]:
    enrollments: list[dict[str, Any]] = lms.partner("acme")["enrollments"]
    return enrollments


class TestEnrolling:
    def test_has_the_learner_taken_and_says_where_to_begin(self, lms: SandboxProcess, gateway: RestGateway) -> None:
        made = gateway.enroll(REQUEST)

        (kept,) = books(lms)
        assert made == PartnerEnrollment(id=kept["id"], launch_url=kept["launch_url"])
        assert (kept["reference"], kept["course_id"], kept["status"]) == ("step-1", "algebra", "active")

    def test_twice_under_one_reference_takes_them_once(self, lms: SandboxProcess, gateway: RestGateway) -> None:
        assert gateway.enroll(REQUEST) == gateway.enroll(REQUEST)
        assert len(books(lms)) == 1

    def test_finds_what_came_of_it(self, gateway: RestGateway) -> None:
        assert gateway.find("step-1") is None

        made = gateway.enroll(REQUEST)

        assert gateway.find("step-1") == made

    def test_of_an_unknown_course_is_refused(self, lms: SandboxProcess, gateway: RestGateway) -> None:
        unknown = EnrollmentRequest("step-1", "unknown-course", "c1", "", "J", "D")

        with pytest.raises(PartnerRefuses, match="422"):
            gateway.enroll(unknown)

        assert books(lms) == []

    def test_with_another_key_waits_for_the_right_one(self, lms: SandboxProcess) -> None:
        stranger = RestGateway(provider(lms, api_key="other"), Breaker(failures=2, seconds=60))

        with pytest.raises(PartnerDown, match="401"):
            stranger.enroll(REQUEST)


class TestAPartnerInTrouble:
    @pytest.mark.parametrize("fault", ["close", "500"])
    def test_may_have_taken_the_learner(self, lms: SandboxProcess, gateway: RestGateway, fault: str) -> None:
        lms.faults(lost_answer={"value": fault, "times": 1, "path": "/lms/acme"})

        with pytest.raises(PartnerDown) as down:
            gateway.enroll(REQUEST)

        assert down.value.was_asked
        assert gateway.find("step-1") is not None

    def test_that_is_late_has_not_answered(self, lms: SandboxProcess) -> None:
        lms.faults(latency_ms={"value": 3000, "times": 1, "path": "/lms/acme"})
        hurried = RestGateway(provider(lms, timeout_seconds=1), Breaker(failures=2, seconds=60))

        with pytest.raises(PartnerDown, match="gave no answer"):
            hurried.enroll(REQUEST)

    def test_says_when_to_ask_again(self, lms: SandboxProcess, gateway: RestGateway) -> None:
        lms.faults(rate_limit={"retry_after": 77, "times": 1, "path": "/lms/acme"})

        with pytest.raises(PartnerDown) as down:
            gateway.enroll(REQUEST)

        assert (down.value.wait_seconds, down.value.is_busy) == (77, True)

    def test_is_left_alone_after_failing_in_a_row(self, lms: SandboxProcess, gateway: RestGateway) -> None:
        lms.faults(server_error={"times": 2, "path": "/lms/acme"})
        for _ in range(2):
            with pytest.raises(PartnerDown, match="500"):
                gateway.enroll(REQUEST)

        with pytest.raises(PartnerDown, match="left alone") as down:
            gateway.enroll(REQUEST)

        assert not down.value.was_asked
        assert books(lms) == []

    def test_that_does_not_exist_has_not_answered(self, lms: SandboxProcess) -> None:
        nowhere = RestGateway(provider(lms, base_url="http://127.0.0.1:1"), Breaker(failures=2, seconds=60))

        with pytest.raises(PartnerDown, match="does not take connections"):
            nowhere.enroll(REQUEST)


class TestGarbage:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b"[]",
            b"null",
            b"{}",
            b'{"id": null}',
            b'{"id": true}',
            b'{"id": ""}',
            b'{"id": {"a": 1}}',
            b'{"id": "a\\u0000b"}',
            b'{"id": "' + b"x" * 256 + b'"}',
            b"[" * 100_000,
            b"\xff\xfe",
        ],
    )
    def test_is_no_answer(self, lms: SandboxProcess, gateway: RestGateway, monkeypatch: Any, body: bytes) -> None:
        monkeypatch.setattr(vendors, "ask", lambda *_, **__: Answer(201, {}, body))

        with pytest.raises(PartnerDown, match="something else"):
            gateway.enroll(REQUEST)

    @pytest.mark.parametrize("url", [None, 7, "javascript:alert(1)", "//x", "https://", "https://[", "h" * 3000])
    def test_of_an_address_leads_nowhere(self, gateway: RestGateway, monkeypatch: Any, url: object) -> None:
        monkeypatch.setattr(Answer, "json", lambda self: {"id": 7, "launch_url": url})

        assert gateway.enroll(REQUEST) == PartnerEnrollment(id="7", launch_url="")

    def test_of_a_list_is_passed_over(self, gateway: RestGateway, monkeypatch: Any) -> None:
        """A partner that ignores the filter lists everybody."""
        rows = [{"reference": "other", "id": "1"}, {"reference": "step-1", "id": "2"}]
        monkeypatch.setattr(Answer, "json", lambda self: {"data": rows})

        assert gateway.find("step-1") == PartnerEnrollment(id="2", launch_url="")
        assert gateway.find("step-2") is None


@pytest.mark.django_db
class TestAPartnerThatKnowsNoIdempotency:
    def test_has_a_learner_once_although_the_answer_was_lost(self, lms: SandboxProcess) -> None:
        lms.partner("acme", honors_keys=False)
        lms.faults(lost_answer={"value": "close", "times": 1, "path": "/lms/acme", "method": "POST"})
        step = steps_of(approved(now=NOON))[0]
        change_provider(provider_id=step.provider_id, base_url=f"{lms.url}/lms/acme", api_key="key-1", now=NOON)

        enroll_step(step_cuid=step.cuid, now=NOON)
        assert EnrollmentStep.objects.get(pk=step.pk).status == "queued"
        EnrollmentStep.objects.filter(pk=step.pk).update(next_attempt_at=NOON)
        enroll_step(step_cuid=step.cuid, now=NOON)

        assert EnrollmentStep.objects.get(pk=step.pk).status == "in_progress"
        assert len(books(lms)) == 1


class TestEnding:
    def test_withdraws_the_learner_at_the_partner(self, lms: SandboxProcess, gateway: RestGateway) -> None:
        made = gateway.enroll(REQUEST)

        gateway.end(made.id)
        gateway.end(made.id)

        assert [row["status"] for row in books(lms)] == ["withdrawn"]

    def test_of_somebody_whom_the_partner_does_not_know_is_done(self, gateway: RestGateway) -> None:
        gateway.end("enr_unknown")

    def test_raises_what_the_partner_answers_otherwise(self, lms: SandboxProcess, gateway: RestGateway) -> None:
        made = gateway.enroll(REQUEST)
        lms.faults(server_error={"value": True, "times": 1, "path": "/lms/acme"})

        with pytest.raises(PartnerDown):
            gateway.end(made.id)

        assert [row["status"] for row in books(lms)] == ["active"]

    def test_leaves_nothing_to_be_found_by_the_reference(self, gateway: RestGateway) -> None:
        gateway.end(gateway.enroll(REQUEST).id)

        assert gateway.find("step-1") is None


CAMPUS = {
    "request": {
        "courseId": "courseCode",
        "reference": "externalRef",
        "learnerId": "",
        "email": "student.mail",
        "firstName": "student.givenName",
        "lastName": "student.familyName",
    },
    "lookup": {"parameter": "externalRef", "list": "items", "enrollment": "registration"},
    "answer": {
        "id": "number",
        "reference": "externalRef",
        "status": "state",
        "launchUrl": "links.start",
        "progress": "percent",
        "completedAt": "finishedOn",
        "certificateId": "",
        "certificateNumber": "diploma.number",
        "downloadUrl": "diploma.file",
    },
    "words": {"statusCompleted": ["done"], "statusWithdrawn": ["dropped"]},
}


class TestAPartnerWithOtherNames:
    @pytest.fixture
    def campus(self, lms: SandboxProcess) -> RestGateway:
        lms.partner("acme", dialect="campus")
        return RestGateway(provider(lms, field_map=CAMPUS), Breaker(failures=9, seconds=60))

    def test_is_asked_and_understood_by_its_map(self, lms: SandboxProcess, campus: RestGateway) -> None:
        made = campus.enroll(REQUEST)

        (kept,) = books(lms)
        assert made == PartnerEnrollment(id=kept["id"], launch_url=kept["launch_url"])
        assert (kept["reference"], kept["course_id"]) == ("step-1", "algebra")
        assert campus.find("step-1") == made
        assert campus.read(made.id) == PartnerNews(status="active", progress=0, completed_at="", certificate={})

        lms.take_course(made.launch_url)

        (kept,) = books(lms)
        certificate = {"certificateNumber": kept["certificate"]["number"], "downloadUrl": kept["launch_url"]}
        assert campus.read(made.id) == PartnerNews("completed", 100, kept["completed_at"], certificate)

    def test_has_nobody_of_whom_it_let_go(self, campus: RestGateway) -> None:
        made = campus.enroll(REQUEST)

        campus.end(made.id)

        assert campus.find("step-1") is None
        assert campus.read(made.id) == PartnerNews(status="withdrawn", progress=0, completed_at="", certificate={})

    def test_is_not_understood_without_it(self, lms: SandboxProcess, campus: RestGateway) -> None:
        made = campus.enroll(REQUEST)
        plain = RestGateway(provider(lms), Breaker(failures=9, seconds=60))

        with pytest.raises(PartnerRefuses, match="422"):
            plain.enroll(REQUEST)
        with pytest.raises(PartnerDown, match=r"than was asked for \(id is missing, where we read id\)"):
            plain.read(made.id)
        assert len(books(lms)) == 1
