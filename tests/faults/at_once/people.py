"""What staff and families do at once with the records of learners and their guardians, and what they agree to."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from allauth.account.models import EmailAddress

from accounts.consents import Signature, Withdrawal, give_consents, publish_text, report_consent, withdraw_consent
from accounts.guardian_invitations import accept_guardian_invitation, invite_or_renew, report_unanswered_invitations
from accounts.guardian_records import change_guardian, register_guardian
from accounts.guardians import set_guardian_address
from accounts.invitation_links import revoke_invitation
from accounts.learner_records import change_learner, register_learner
from accounts.merging import merge_learners
from accounts.models import Consent, ConsentText, Guardian, GuardianInvitation
from accounts.name_changes import accept_name, ask_for_name, decline_name
from accounts.removal import remove_unused_guardian, remove_unused_learner
from accounts.sign_in import find_or_open_account
from accounts.states import ConsentWay
from cohorts.sale.participants import add_child
from enrollments.tests.factories import STAFF
from privacy.erasing import erase_learner
from privacy.states import ErasureReason
from privacy.wishes import ask_for_deletion, decline_deletion

from ..any_order import pick
from .acting import Acting, Step


def people(act: Acting) -> Iterator[Step]:
    yield lambda: _merge_two(act)
    yield lambda: _erase_anybody(act)
    yield lambda: _rename_anybody(act)
    yield lambda: act.attempt(
        ask_for_name, learner_id=act.student().pk, first_name="Ida", last_name="Lake", actor=STAFF
    )
    yield lambda: act.attempt(accept_name, learner_id=act.student().pk, actor=STAFF)
    yield lambda: act.attempt(decline_name, learner_id=act.student().pk, note="It stays.", actor=STAFF)
    yield lambda: _register_a_learner(act)
    yield lambda: _remove_a_learner(act)
    yield lambda: act.attempt(ask_for_deletion, learner_id=act.student().pk, actor=STAFF)
    yield lambda: act.attempt(decline_deletion, learner_id=act.student().pk, reason="It is needed.", actor=STAFF)


def guardians(act: Acting) -> Iterator[Step]:
    yield lambda: _link_a_guardian(act)
    yield lambda: _change_an_address(act)
    yield lambda: _add_a_child(act)
    yield lambda: _remove_a_guardian(act)
    yield lambda: _invite(act, accepts=False)
    yield lambda: _invite(act, accepts=True)
    yield lambda: _revoke_an_invitation(act)
    yield lambda: _report_unanswered(act)


def consents(act: Acting) -> Iterator[Step]:
    yield lambda: _publish_a_text(act)
    yield lambda: _agree(act)
    yield lambda: _agree(act)
    yield lambda: _report_a_consent(act)
    yield lambda: act.on(Consent.objects.all(), withdraw_consent, "consent_id", actor=STAFF)
    yield lambda: act.on(
        Consent.objects.all(),
        withdraw_consent,
        "consent_id",
        withdrawal=Withdrawal(withdrawn_at=act.now, evidence="paper"),
        actor=STAFF,
    )


def _merge_two(act: Acting) -> None:
    keep, drop = act.student(), act.student()
    act.attempt(merge_learners, keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason="Twins")


def _erase_anybody(act: Acting) -> None:
    cuid = act.student().cuid
    act.attempt(
        erase_learner, workspace_id=act.workspace.pk, learner_cuid=cuid, reason=ErasureReason.ASKED, actor=STAFF
    )


def _rename_anybody(act: Acting) -> None:
    cuid, name = act.student().cuid, act.chance.choice(["Ada", "Grace", "Jane"])

    def rename_anybody(*, now: dt.datetime) -> None:
        change_learner(workspace_id=act.workspace.pk, cuid=cuid, changes={"first_name": name})

    act.attempt(rename_anybody)


def _link_a_guardian(act: Acting) -> None:
    learners: dict[str, Any] = {"learner_ids": [act.student().cuid, act.student().cuid]}
    if act.yes():
        address = f"new{act.chance.randrange(10**9)}@home.test"

        def register_a_guardian(*, now: dt.datetime) -> None:
            register_guardian(workspace_id=act.workspace.pk, external_id=None, email=address, **learners)

        act.attempt(register_a_guardian)
    else:
        guardian = pick(Guardian.objects.all(), act.nth())
        act.attempt(change_guardian, workspace_id=act.workspace.pk, guardian_id=guardian.pk, changes=learners)


def _change_an_address(act: Acting) -> None:
    guardian = pick(Guardian.objects.all(), act.nth())
    act.attempt(set_guardian_address, guardian_id=guardian.pk, email=_address(act))


def _register_a_learner(act: Acting) -> None:
    known = {"first_name": "Ida", "last_name": f"Lake{act.nth()}", "email": f"ida{act.nth()}@home.test"}

    def register_a_learner(*, now: dt.datetime) -> None:
        register_learner(workspace_id=act.workspace.pk, **known)

    act.attempt(register_a_learner)


def _remove_a_learner(act: Acting) -> None:
    learner = act.student()

    def remove_a_learner(*, now: dt.datetime) -> None:
        remove_unused_learner(learner_id=learner.pk)

    act.attempt(remove_a_learner)


def _add_a_child(act: Acting) -> None:
    user, known, chance = find_or_open_account(email=_address(act)), act.student(), act.yes()
    name = (known.first_name, known.last_name) if chance else ("Ida", f"Lake{act.nth()}")

    def add_a_child(*, now: dt.datetime) -> None:
        add_child(user=user, workspace_id=act.workspace.pk, first_name=name[0], last_name=name[1])

    act.attempt(add_a_child)


def _remove_a_guardian(act: Acting) -> None:
    guardian = pick(Guardian.objects.all(), act.nth())

    def remove_a_guardian(*, now: dt.datetime) -> None:
        remove_unused_guardian(guardian_id=guardian.pk)

    act.attempt(remove_a_guardian)


def _invite(act: Acting, *, accepts: bool) -> None:
    guardian, address = pick(Guardian.objects.all(), act.nth()), _address(act)
    tokens = []

    def invite(*, now: dt.datetime) -> None:
        tokens.append(invite_or_renew(guardian_id=guardian.pk, email=address, invited_by=None, now=now)[1])

    act.attempt(invite)
    user = find_or_open_account(email=address)
    if accepts and tokens and user is not None:
        EmailAddress.objects.filter(user=user).update(verified=True)  # as entering the code does
        act.attempt(accept_guardian_invitation, token=tokens[0], user=user)


def _revoke_an_invitation(act: Acting) -> None:
    invitation = pick(GuardianInvitation.objects.all(), act.nth())
    act.attempt(revoke_invitation, GuardianInvitation, invitation_id=invitation.pk)


def _report_unanswered(act: Acting) -> None:
    """As if all that are open had expired."""

    def report_unanswered(*, now: dt.datetime) -> None:
        GuardianInvitation.objects.filter(accepted_at=None, revoked_at=None).update(expires_at=now)
        report_unanswered_invitations(now=now)

    act.attempt(report_unanswered)


def _publish_a_text(act: Acting) -> None:
    purpose, is_required = act.chance.choice(["media", "trips"]), act.yes()

    def publish_a_text(*, now: dt.datetime) -> None:
        publish_text(
            workspace_id=act.workspace.pk,
            purpose=purpose,
            title="Pictures",
            text="We may show them.",
            is_required=is_required,
            from_at=now,
            actor=STAFF,
            now=now,
        )

    act.attempt(publish_a_text)


def _agree(act: Acting) -> None:
    text = pick(ConsentText.objects.all(), act.nth())
    act.attempt(
        give_consents,
        learner_id=act.student().pk,
        address=_address(act),
        text_ids=[text.pk],
        way=ConsentWay.FORM,
        actor=STAFF,
    )


def _report_a_consent(act: Acting) -> None:
    text, cuid, address = pick(ConsentText.objects.all(), act.nth()), act.student().cuid, _address(act)
    act.attempt(
        report_consent,
        workspace_id=act.workspace.pk,
        learner_cuid=cuid,
        purpose=text.purpose,
        version=text.version,
        address=address,
        signature=Signature(signed_at=text.from_at, evidence="paper"),
        actor=STAFF,
    )


def _address(act: Acting) -> str:
    """Return one of few, so that several guardians and accounts want it."""
    return f"g{act.nth()}@home.test"
