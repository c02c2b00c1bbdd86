"""What anybody with a serial sees, and the contents of the paper and the API."""

from html import unescape
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from pypdf import PdfReader

from core.clock import utc_now
from enrollments.tests.factories import STAFF
from enrollments.tests.integrators import Api
from partners.certificate_paper import render_certificate
from partners.certificates import reissue_certificate, revoke_certificate
from partners.models import Certificate

from .test_certificates import completed

pytestmark = pytest.mark.django_db


@pytest.fixture
def certificate() -> Certificate:
    return Certificate.objects.get(enrollment=completed())


def page(client: Client, certificate: Certificate, end: str = "") -> Any:
    return client.get(f"/certificates/{certificate.serial}{end}")


def text(answer: Any) -> str:
    return unescape(answer.content.decode())


def words(paper: bytes) -> str:
    return " ".join(PdfReader(BytesIO(paper)).pages[0].extract_text().split())


class TestThePublicPage:
    def test_tells_the_name_the_program_and_that_it_is_valid(self, client: Client, certificate: Certificate) -> None:
        answer = page(client, certificate)

        shown = text(answer)
        learner = certificate.enrollment.learner
        assert learner is not None
        assert certificate.learner_name in shown
        assert certificate.program_title in shown
        assert "and it is valid" in shown
        assert learner.email not in shown
        assert certificate.enrollment.cuid not in shown
        assert answer["X-Robots-Tag"] == "noindex"
        assert "no-store" in answer["Cache-Control"]

    def test_tells_that_it_was_revoked_and_not_why(self, client: Client, certificate: Certificate) -> None:
        revoke_certificate(certificate_id=certificate.pk, reason="Cheated", actor=STAFF, now=utc_now())

        shown = text(page(client, certificate))

        assert "It is not valid any more" in shown
        assert "Cheated" not in shown

    def test_tells_that_it_was_replaced_and_not_by_which(self, client: Client, certificate: Certificate) -> None:
        new = reissue_certificate(certificate_id=certificate.pk, reason="Married", actor=STAFF, now=utc_now())

        shown = text(page(client, certificate))

        assert "has issued another certificate in the place of this one" in shown
        assert new.serial not in shown

    @pytest.mark.parametrize("serial", ["7K3F9-TQ2MX-0B8WC-4HZRD", "1", "x" * 500, "%00"])
    def test_knows_no_other_serial(self, client: Client, serial: str) -> None:
        for address in (f"/certificates/{serial}", f"/certificates/{serial}.pdf"):
            assert client.get(address).status_code == 404

    def test_is_limited_by_the_reader(self, client: Client, certificate: Certificate, settings: Any) -> None:
        settings.API_ANONYMOUS_RATE_LIMIT = 2
        answers = [client.get("/certificates/1", REMOTE_ADDR="203.0.113.77") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [404, 404, 429]
        assert int(answers[2]["Retry-After"]) > 0


class TestThePaper:
    def test_says_what_its_row_says(self, client: Client, certificate: Certificate) -> None:
        answer = page(client, certificate, ".pdf")

        said = words(answer.content)
        assert answer["Content-Type"] == "application/pdf"
        assert certificate.learner_name in said
        assert certificate.program_title in said
        assert f"/certificates/{certificate.serial}" in said

    @pytest.mark.sqlite
    def test_is_not_given_out_once_it_is_revoked(self, client: Client, certificate: Certificate) -> None:
        revoke_certificate(certificate_id=certificate.pk, reason="Mistake", actor=STAFF, now=utc_now())

        answer = page(client, certificate, ".pdf")

        assert answer["Location"] == f"/certificates/{certificate.serial}"

    @pytest.mark.parametrize("name", ["Żółć Ðåß", "مريم الحسن", "שרה כהן", "张伟", "Ada 🎓", "N" * 300, "A & <b>B</b>"])
    def test_takes_any_name_on_one_page(self, certificate: Certificate, name: str) -> None:
        certificate.learner_name = name
        certificate.program_title = "T" * 200

        paper = render_certificate(certificate)

        assert len(PdfReader(BytesIO(paper)).pages) == 1
        assert render_certificate(certificate) == paper


class TestTheApi:
    def test_gives_the_latest_certificate(self, certificate: Certificate) -> None:
        enrollment = certificate.enrollment
        api = Api(enrollment.workspace)

        first = api.get(f"/api/enrollments/{enrollment.cuid}/certificate")
        revoke_certificate(certificate_id=certificate.pk, reason="Mistake", actor=STAFF, now=utc_now())
        second = api.get(f"/api/enrollments/{enrollment.cuid}/certificate")

        assert set(first.json()) == {"serial", "issuedAt", "url", "verificationUrl", "revokedAt"}
        assert first.json()["serial"] == certificate.serial
        assert first.json()["verificationUrl"].endswith(f"/certificates/{certificate.serial}")
        assert first.json()["url"].endswith(f"/certificates/{certificate.serial}.pdf")
        assert first.json()["revokedAt"] is None
        assert second.json()["revokedAt"] is not None
