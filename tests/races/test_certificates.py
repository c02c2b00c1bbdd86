"""Certificates issued, revoked, and reissued at the same moment: at most one is valid, by one decision."""

from collections.abc import Callable
from functools import partial

import pytest

from core.clock import utc_now
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from operations.doctor import examine
from partners import certificates
from partners.certificates import follow_completion, reissue_certificate, revoke_certificate
from partners.interventions import complete_step_by_evidence
from partners.models import Certificate, EnrollmentStep
from partners.tests.factories import accept, approved, complete, steps_of
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def at_the_last_step() -> EnrollmentStep:
    return accept(steps_of(approved(steps=1))[0])


def told_complete(step: EnrollmentStep) -> Callable[[], str]:
    return lambda: str(complete(step).status)


def completed_by_evidence(step: EnrollmentStep) -> Callable[[], str]:
    done = partial(complete_step_by_evidence, evidence="Paper C-1", reason="It told us by phone", actor=STAFF)
    return lambda: str(done(step_id=step.pk, now=utc_now()).status)


def paid_after_completion() -> Enrollment:
    """Create a learner who completed the program and whose payment just arrived, so that a certificate is due."""
    enrollment = approved(steps=1)
    Enrollment.objects.filter(pk=enrollment.pk).update(payment_status="pending")
    complete(accept(steps_of(enrollment)[0]))
    Enrollment.objects.filter(pk=enrollment.pk).update(payment_status="paid")
    return enrollment


def issued(enrollment: Enrollment) -> Callable[[], str]:
    follow = partial(follow_completion, enrollment_id=enrollment.pk, now=utc_now())
    return lambda: "issued" if follow() else "not issued"


def revoked(certificate: Certificate) -> Callable[[], str]:
    revoke = partial(revoke_certificate, certificate_id=certificate.pk, reason="By mistake", actor=STAFF)
    return lambda: str(revoke(now=utc_now()).revocation)


def reissued(certificate: Certificate) -> Callable[[], str]:
    reissue = partial(reissue_certificate, certificate_id=certificate.pk, reason="Another name", actor=STAFF)
    return lambda: "reissued" if reissue(now=utc_now()) else "not reissued"


def outcomes(*calls: Callable[[], str]) -> list[str]:
    return sorted(answer.kind if isinstance(answer, Failure) else str(answer) for answer in at_once(*calls))


def lock_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both read the present state before either changes it."""
    read = Meeting(lambda enrollment: Certificate.objects.live().filter(enrollment=enrollment).first())
    monkeypatch.setattr(certificates, "lock_enrollment", lambda pk: Enrollment.objects.get(pk=pk))
    monkeypatch.setattr(certificates, "_find_live", read)


class TestTheLastStepCompletedTwiceAtOnce:
    @pytest.mark.parametrize("attempt", range(3))
    def test_brings_one_certificate(self, attempt: int) -> None:
        step = at_the_last_step()

        answers = outcomes(told_complete(step), completed_by_evidence(step), told_complete(step))

        assert answers == ["completed"] * 3
        assert Certificate.objects.count() == 1
        assert examine() == {}


class TestACertificateIssuedTwiceAtOnce:
    @pytest.mark.parametrize("attempt", range(3))
    def test_is_one(self, attempt: int) -> None:
        enrollment = paid_after_completion()

        assert outcomes(issued(enrollment), issued(enrollment)) == ["issued", "issued"]
        assert Certificate.objects.count() == 1

    def test_without_the_lock_is_refused_by_the_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both find none."""
        enrollment = paid_after_completion()
        lock_nothing(monkeypatch)

        assert outcomes(issued(enrollment), issued(enrollment)) == ["IntegrityError", "issued"]

    def test_without_any_guard_would_be_two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither lock nor constraint."""
        with without_constraints((Certificate, "certificate_one_live")):
            enrollment = paid_after_completion()
            lock_nothing(monkeypatch)

            assert outcomes(issued(enrollment), issued(enrollment)) == ["issued", "issued"]
            assert Certificate.objects.live().count() == 2


class TestRevokingAgainstReissuing:
    @pytest.mark.parametrize("attempt", range(3))
    def test_has_one_winner(self, attempt: int) -> None:
        certificate = self.live()

        answers = outcomes(revoked(certificate), reissued(certificate))

        valid = Certificate.objects.live().count()
        assert (answers, valid) in [
            (["CertificateRevokedAlready", "withdrawn"], 0),
            (["CertificateRevokedAlready", "reissued"], 1),
        ]
        assert examine() == {}

    def test_without_the_lock_would_both_succeed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: staff are told that it is revoked, while another one is valid."""
        certificate = self.live()
        read = Meeting(lambda pk: Certificate.objects.select_related("enrollment").get(pk=pk))
        monkeypatch.setattr(certificates, "_lock_live", read)

        answers = outcomes(revoked(certificate), reissued(certificate))

        assert answers == ["reissued", "withdrawn"]
        assert Certificate.objects.live().count() == 1

    def live(self) -> Certificate:
        step = at_the_last_step()
        complete(step)
        return Certificate.objects.get(enrollment=step.enrollment_id)
