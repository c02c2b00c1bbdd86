"""No button acts before it has said what will happen."""

from backoffice.actions import BulkButton, ListButton, RowButton, StaffForm, staff_action

from .deeds import buttons_of
from .matrix import pages

# Why a button says in a sentence, and not in figures, what will happen (docs/decisions/0078).
WITHOUT_FIGURES = {
    "opens or closes access, and moves nothing": {
        "apikey.create",
        "apikey.revoke",
        "apikey.rotate",
        "guardianinvitation.revoke",
        "membership.give_role",
        "membership.remove",
        "membership.reset_second_factor",
        "membership.sign_out",
        "payment.revoke_link",
        "provider.rotate",
        "staffinvitation.revoke",
        "webhookendpoint.rotate",
    },
    "sends one mail, which says the same to everybody or what is typed here": {
        "application.send_link_again",
        "guardian.invite",
        "guardianinvitation.send_again",
        "learner.decline_name",
        "membership.invite",
        "nudge.resume",
        "nudge.stop",
        "stafftask.invite_guardian",
        "staffinvitation.send_again",
    },
    "asks another system, whose answer nobody knows beforehand": {
        "checkout.ask_stripe",
        "invoice.try_again",
        "partnerevent.handle",
        "payout.read_again",
    },
    "sends machines what they drop if they have it": {
        "outboxevent.replay",
        "outboxevent.replay_selected",
        "webhookdelivery.redeliver",
        "webhookdelivery.redeliver_selected",
        "webhookendpoint.enable",
        "webhookendpoint.ping",
        "webhookendpoint.redeliver_failed",
        "webhookendpoint.replay",
    },
    "proposes or rehearses, and shows figures before anything is done": {
        "importjob.import_roster",
        "programinstance.edit_criteria",
        "programinstance.import_candidates",
        "partnersequence.define",
        "whatif.add_seats",
        "whatif.ask",
        "whatif.change_seats",
        "whatif.try_roster",
    },
    "shows or reads, and changes nothing": {
        "finding.examine",
        "finding.look_again",
        "provider.worklist",
    },
    "sets something up or changes its settings": {
        "consenttext.publish",
        "consenttext.stop",
        "programinstance.make_default",
        "provider.create",
        "provider.edit",
        "provider.pause",
        "webhookendpoint.create",
        "webhookendpoint.disable",
        "webhookendpoint.edit",
        "webhookendpoint.remove",
        "workspaceletter.begin",
        "workspaceletter.reset",
    },
    "marks or records what it names, and frees, takes and sends nothing": {
        "certificate.revoke",
        "consent.record_paper",
        "consent.withdraw",
        "enrollment.reconsider",
        "heldreview.release",
        "heldreview.release_selected",
        "idleseat.keep",
        "idleseat.keep_selected",
        "idleseat.stop",
        "invoice.issued_by_hand",
        "mismatch.explain",
        "monthclose.reopen",
        "stafftask.complete",
        "stafftask.complete_selected",
        "stafftask.two_people",
    },
}


def says_nothing(button: RowButton | ListButton | BulkButton) -> bool:
    """Return whether a button shows nothing; a button that leads to its own page shows it there."""
    asked = button.button if isinstance(button, BulkButton) else button
    asks_here = type(asked).press in (RowButton.press, ListButton.press)
    return asks_here and not asked.explanation and getattr(asked, "preview", None) is None


def has_preview(button: RowButton | ListButton | BulkButton) -> bool:
    """Return whether the button shows figures before it acts; for several rows, figures about all of them."""
    return (button.preview_all if isinstance(button, BulkButton) else button.preview) is not None


class TestEveryButton:
    def test_says_what_will_happen(self) -> None:
        silent = [name for page in pages() for name, _, button in buttons_of(page) if says_nothing(button)]

        assert silent == [], "buttons with neither a preview nor an explanation: docs/how-to/admin-action.md"

    def test_has_a_preview_or_a_reason_to_have_none(self) -> None:
        buttons = [(name, has_preview(button)) for page in pages() for name, _, button in buttons_of(page)]
        excused = [name for names in WITHOUT_FIGURES.values() for name in names]

        assert sorted(name for name, has_one in buttons if not has_one) == sorted(excused)
        assert (len(buttons), len(buttons) - len(excused)) == (159, 88), "the figures of docs/decisions/0078"

    def test_that_says_nothing_is_found(self) -> None:
        """Negative control."""

        @staff_action(description="Just do it", power=None, form=StaffForm)
        def act(*_: object) -> str:
            return "Done."

        assert says_nothing(act)
