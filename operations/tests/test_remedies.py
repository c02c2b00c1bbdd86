import dataclasses

from operations.doctor import INVARIANTS
from operations.remedies import NO_LONGER_A_RULE, remedy_of


class TestWhatToDo:
    def test_is_said_of_every_invariant(self):
        silent = [
            name
            for name in INVARIANTS
            if remedy_of(name) == NO_LONGER_A_RULE or not all(dataclasses.astuple(remedy_of(name)))
        ]

        assert silent == []
        assert remedy_of("enrollments.what_was_renamed") == NO_LONGER_A_RULE

    def test_is_plain_text_with_the_words_of_the_page(self):
        remedy = remedy_of("billing.the_inbox_is_handled")

        assert remedy.rule.startswith("No event of Stripe's is unhandled after 15 minutes. Waits for handle_due_stripe")
        assert remedy.wronged == "Whoever has paid, or was refunded, and is not told."
        assert remedy.action == "Stripe inbox, read the error, Handle now."
