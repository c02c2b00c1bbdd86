"""When a certificate is issued, what ends it, and that there is at most one."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction

from accounts.models import Learner
from accounts.name_changes import accept_name, ask_for_name
from accounts.tests.factories import LearnerFactory
from billing.offline import Proof, reverse_offline_payment
from billing.states import OfflineMeans
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid
from enrollments.deletion import delete_enrollment
from enrollments.lifecycle import finish_participation, unenroll_enrollment
from enrollments.locks import lock_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.offline import pay_offline
from enrollments.on_account import enroll_on_account
from enrollments.purchase import begin_purchase, complete_purchase, refund_purchase
from enrollments.tests.factories import STAFF, InstanceFactory
from events.models import OutboxEvent
from notifications.models import Notification
from partners import handlers
from partners.admin.certificates import foresee_reissue
from partners.certificates import follow_completion, issue_certificate, reissue_certificate, revoke_certificate
from partners.errors import CertificateNotEarned, CertificateNotFound, CertificateRevokedAlready
from partners.interventions import skip_step
from partners.models import Certificate, EnrollmentStep
from partners.serials import new_serial, read_serial
from partners.states import GroupRule

from .breaches import breaches
from .factories import accept, approved, complete, define, group, instance_with, steps_of

pytestmark = pytest.mark.django_db


def go_through(enrollment: Enrollment, *, but: int = 0) -> None:
    """Complete all steps of the enrollment at their partners, except the last few."""
    count = len(steps_of(enrollment)) - but
    for _ in range(count):
        current = EnrollmentStep.objects.of(enrollment.pk).active().first()
        assert current is not None
        complete(accept(current))


def completed(instance: ProgramInstance | None = None) -> Enrollment:
    enrollment = approved(instance)
    go_through(enrollment)
    return enrollment


def on_account() -> Enrollment:
    """Return a learner who takes part and has not paid."""
    instance = InstanceFactory()
    define(instance, group(instance, 2))
    LearnerFactory(workspace=instance.workspace, external_id="L-1")
    return enroll_on_account(
        workspace_id=instance.workspace_id,
        course_id=instance.pk,
        user_id="L-1",
        actor=STAFF,
        now=utc_now(),
    )


def pay(enrollment: Enrollment) -> None:
    with transaction.atomic():
        complete_purchase(enrollment=lock_enrollment(enrollment.pk), agreed_at=utc_now(), actor=STAFF, now=utc_now())


def certificates(enrollment: Enrollment) -> list[Certificate]:
    return list(enrollment.certificates.order_by("pk"))


def told() -> list[tuple[str, dict[str, Any]]]:
    rows = OutboxEvent.objects.filter(type__startswith="certificate.").order_by("pk")
    return [(row.type, row.payload) for row in rows]


class TestACertificate:
    def test_is_issued_with_the_last_step(self) -> None:
        enrollment = approved(steps=3)
        go_through(enrollment, but=1)
        assert certificates(enrollment) == []

        go_through(enrollment, but=2)

        [certificate] = certificates(enrollment)
        assert certificate.learner_name == str(enrollment.learner)
        assert certificate.program_title == enrollment.instance.program.title
        assert certificate.is_live
        assert told() == [
            (
                "certificate.issued",
                {"serial": certificate.serial, "enrollmentId": enrollment.cuid, "replaces": None},
            )
        ]
        assert breaches() == set()

    def test_is_issued_where_staff_skip_the_last_step(self) -> None:
        enrollment = approved(steps=2)
        go_through(enrollment, but=1)

        skip_step(step_id=steps_of(enrollment)[1].pk, reason="Taught here", actor=STAFF, now=utc_now())

        assert len(certificates(enrollment)) == 1

    def test_is_issued_once_enough_of_a_group_are_done(self) -> None:
        enrollment = approved(instance_with((3, GroupRule.AT_LEAST, 2)))

        go_through(enrollment, but=1)

        assert len(certificates(enrollment)) == 1
        assert breaches() == set()

    def test_is_not_issued_a_second_time(self) -> None:
        enrollment = completed()

        complete(steps_of(enrollment)[1])
        again = issue_certificate(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
        follow_completion(enrollment_id=enrollment.pk, now=utc_now())

        assert certificates(enrollment) == [again]
        assert len(told()) == 1

    def test_is_refused_before_the_program_is_completed(self) -> None:
        enrollment = approved()

        with pytest.raises(CertificateNotEarned):
            issue_certificate(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert certificates(enrollment) == []
        assert told() == []

    def test_does_not_come_with_a_participation_that_expired(self) -> None:
        enrollment = approved()
        go_through(enrollment, but=1)

        finish_participation(enrollment_id=enrollment.pk, actor=SYSTEM, reason="expired", now=utc_now())

        assert certificates(enrollment) == []
        assert breaches() == set()

    def test_waits_for_the_payment_and_follows_it(self) -> None:
        enrollment = on_account()
        go_through(enrollment)
        assert certificates(enrollment) == []
        assert breaches() == set()

        pay(enrollment)

        assert len(certificates(enrollment)) == 1
        assert breaches() == set()

    def test_is_not_looked_for_when_a_payment_lets_the_learner_begin(self) -> None:
        enrollment = on_account()
        with patch.object(handlers, "_with_steps_done_or_certificate") as looked_for:
            pay(enrollment)
            assert looked_for.all.call_count == 1  # the learner had begun before
        instance = InstanceFactory()
        with transaction.atomic():
            learner = LearnerFactory(workspace=instance.workspace)
            bought = begin_purchase(learner=learner, instance=instance, actor=STAFF, now=utc_now())

        with patch.object(handlers, "_with_steps_done_or_certificate") as looked_for:
            pay(bought)

        assert Enrollment.objects.get(pk=bought.pk).participation_status == "active"
        assert looked_for.all.call_count == 0

    def test_waits_for_the_steps_if_the_payment_comes_first(self) -> None:
        enrollment = on_account()
        go_through(enrollment, but=1)

        pay(enrollment)

        assert certificates(enrollment) == []

    def test_stays_when_the_learner_leaves_afterwards(self) -> None:
        enrollment = completed()

        unenroll_enrollment(enrollment_id=enrollment.pk, reason="Moved", actor=STAFF, now=utc_now())

        assert [each.is_live for each in certificates(enrollment)] == [True]
        assert breaches() == set()

    def test_stays_when_a_part_of_the_money_goes_back(self) -> None:
        enrollment = on_account()
        go_through(enrollment)
        pay(enrollment)

        refund_purchase(enrollment_id=enrollment.pk, fully=False, reason="Goodwill", actor=STAFF, now=utc_now())

        assert [each.is_live for each in certificates(enrollment)] == [True]
        assert breaches() == set()

    def test_ends_when_all_the_money_goes_back(self) -> None:
        enrollment = on_account()
        go_through(enrollment)
        pay(enrollment)

        refund_purchase(enrollment_id=enrollment.pk, fully=True, reason="Asked for", actor=STAFF, now=utc_now())

        [certificate] = certificates(enrollment)
        assert certificate.revocation == "not_earned"
        assert told()[-1] == (
            "certificate.revoked",
            {"serial": certificate.serial, "enrollmentId": enrollment.cuid, "revocation": "not_earned"},
        )
        assert breaches() == set()

    def test_ends_when_the_money_turns_out_never_to_have_come_and_is_issued_again_when_it_does(self) -> None:
        enrollment = on_account()
        proof = Proof(OfflineMeans.CHECK, STAFF, reference="1001")
        payment = pay_offline(enrollment_id=enrollment.pk, proof=proof, now=utc_now())
        go_through(enrollment)
        assert [each.is_live for each in certificates(enrollment)] == [True]

        reverse_offline_payment(payment_id=payment.pk, is_returned=False, note="Bounced", actor=STAFF, now=utc_now())

        assert [each.revocation for each in certificates(enrollment)] == ["not_earned"]
        assert breaches() == set()

        pay_offline(enrollment_id=enrollment.pk, proof=Proof(OfflineMeans.CASH, STAFF), now=utc_now())

        assert [each.is_live for each in certificates(enrollment)] == [False, True]
        assert breaches() == set()

    def test_ends_with_an_enrollment_that_is_deleted(self) -> None:
        enrollment = completed()

        delete_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert [each.revocation for each in certificates(enrollment)] == ["not_earned"]
        assert breaches() == set()


class TestRevoking:
    def test_takes_a_certificate_back_for_good(self) -> None:
        enrollment = completed()
        [certificate] = certificates(enrollment)

        revoke_certificate(certificate_id=certificate.pk, reason="Somebody else's work", actor=STAFF, now=utc_now())
        follow_completion(enrollment_id=enrollment.pk, now=utc_now())

        [certificate] = certificates(enrollment)
        assert (certificate.revocation, certificate.revoked_reason) == ("withdrawn", "Somebody else's work")
        assert certificate.revoked_by == str(STAFF)
        assert breaches() == set()

    def test_lets_staff_issue_another(self) -> None:
        enrollment = completed()
        [certificate] = certificates(enrollment)
        revoke_certificate(certificate_id=certificate.pk, reason="By mistake", actor=STAFF, now=utc_now())

        issue_certificate(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert [each.is_live for each in certificates(enrollment)] == [False, True]

    def test_for_another_one_states_what_staff_were_told(self) -> None:
        enrollment = completed()
        [certificate] = certificates(enrollment)
        Learner.objects.filter(pk=enrollment.learner_id).update(first_name="Anna", last_name="Ruiz")
        Notification.objects.all().delete()
        certificate = Certificate.objects.select_related("enrollment__instance__program").get()

        told = foresee_reissue(certificate, SimpleNamespace(cleaned_data={}))  # type: ignore[arg-type]
        made = reissue_certificate(certificate_id=certificate.pk, reason="Renamed", actor=STAFF, now=utc_now())

        assert told.sentences == (
            f"Certificate {certificate.serial} of {certificate.learner_name} for {made.program_title} is replaced.",
            f"The new one is of Anna Ruiz for {made.program_title}.",
        )
        assert made.learner_name == "Anna Ruiz"
        readers = Notification.objects.filter(kind="certificate_issued").values_list("recipient", flat=True)
        assert told.mails == f"A mail about it goes to {', '.join(readers)}."

    @pytest.mark.parametrize("act", [revoke_certificate, reissue_certificate])
    def test_needs_a_reason(self, act: Any) -> None:
        [certificate] = certificates(completed())

        with pytest.raises(Invalid):
            act(certificate_id=certificate.pk, reason=" ", actor=STAFF, now=utc_now())

        assert Certificate.objects.get().is_live
        assert len(told()) == 1

    @pytest.mark.parametrize("act", [revoke_certificate, reissue_certificate])
    def test_is_for_live_certificates(self, act: Any) -> None:
        [certificate] = certificates(completed())
        revoke_certificate(certificate_id=certificate.pk, reason="Mistake", actor=STAFF, now=utc_now())

        with pytest.raises(CertificateRevokedAlready):
            act(certificate_id=certificate.pk, reason="Again", actor=STAFF, now=utc_now())
        with pytest.raises(CertificateNotFound):
            act(certificate_id=certificate.pk + 1, reason="Again", actor=STAFF, now=utc_now())

        assert Certificate.objects.get().revoked_reason == "Mistake"
        assert len(told()) == 2


class TestIssuingAgain:
    def test_replaces_the_old_one_by_one_with_the_present_name(self) -> None:
        enrollment = completed()
        [old] = certificates(enrollment)
        assert enrollment.learner is not None
        enrollment.learner.last_name = "Nowak"
        enrollment.learner.save()

        new = reissue_certificate(certificate_id=old.pk, reason="Married", actor=STAFF, now=utc_now())

        old.refresh_from_db()
        assert (old.revocation, old.revoked_reason) == ("replaced", "Married")
        assert new.learner_name.endswith("Nowak")
        assert not old.learner_name.endswith("Nowak")
        assert new.replaces == old
        assert new.serial != old.serial
        assert [kind for kind, _ in told()] == ["certificate.issued", "certificate.revoked", "certificate.issued"]
        assert told()[-1][1]["replaces"] == old.serial
        assert breaches() == set()

    def test_follows_a_change_of_the_name_that_the_family_asks_for_and_staff_carry_out(self) -> None:
        [old] = certificates(completed())
        learner = old.enrollment.learner
        assert learner is not None
        names = {"first_name": learner.first_name, "last_name": "Nowak"}

        change = ask_for_name(learner_id=learner.pk, **names, actor=STAFF, now=utc_now())
        assert not change.is_applied
        assert accept_name(learner_id=learner.pk, actor=STAFF, now=utc_now()) == 1

        old.refresh_from_db()
        assert (old.revocation, old.replacement.learner_name) == ("replaced", f"{learner.first_name} Nowak")


class TestTheMail:
    def test_goes_to_the_family_for_each_certificate(self) -> None:
        enrollment = completed()
        assert enrollment.learner is not None
        [certificate] = certificates(enrollment)

        reissue_certificate(certificate_id=certificate.pk, reason="Lost", actor=STAFF, now=utc_now())

        written = Notification.objects.filter(kind="certificate_issued").order_by("pk")
        keys = [(each.recipient, each.subject_key) for each in written]
        assert keys == [(enrollment.learner.email, f"certificate:{each.serial}") for each in certificates(enrollment)]


class TestTheDoctor:
    @pytest.mark.sqlite
    def test_misses_a_certificate_that_was_earned(self) -> None:
        enrollment = completed()
        Certificate.objects.filter(enrollment=enrollment).delete()

        assert breaches() == {"certificates_iff_complete"}

    def test_misses_the_one_that_was_revoked_for_a_reason_that_is_over(self) -> None:
        enrollment = completed()
        Certificate.objects.filter(enrollment=enrollment).update(revoked_at=utc_now(), revocation="not_earned")

        assert breaches() == {"certificates_iff_complete"}

    def test_finds_a_certificate_that_nobody_earned(self) -> None:
        enrollment = approved()
        Certificate.objects.create(
            enrollment=enrollment, learner_name="A", program_title="B", issued_at=utc_now(), issued_by="x"
        )

        assert breaches() == {"certificates_iff_complete"}


class TestASerial:
    def test_is_read_however_it_is_typed(self) -> None:
        assert read_serial("7k3f9tq2mx0b8wc4hzrd") == "7K3F9-TQ2MX-0B8WC-4HZRD"
        assert read_serial("7K3F9-TQ2MX-OB8WC-4HZRD") == "7K3F9-TQ2MX-0B8WC-4HZRD"
        assert read_serial("7K3F9-TQ2MX-0B8WC-4HZR") is None
        assert read_serial("7K3F9-TQ2MX-0B8WC-4HZRU") is None
        assert read_serial("７K3F9-TQ2MX-0B8WC-4HZRD") is None

    def test_is_new_each_time(self) -> None:
        assert len({new_serial() for _ in range(100)}) == 100
        assert read_serial(made := new_serial()) == made
