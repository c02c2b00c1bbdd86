"""No button acts before it has said what will happen."""

from backoffice.actions import BulkButton, ListButton, RowButton, StaffForm, staff_action

from .deeds import buttons_of
from .matrix import pages


def says_nothing(button: RowButton | ListButton | BulkButton) -> bool:
    """Return whether a button shows nothing; a button that leads to its own page shows it there."""
    asked = button.button if isinstance(button, BulkButton) else button
    asks_here = type(asked).press in (RowButton.press, ListButton.press)
    return asks_here and not asked.explanation and getattr(asked, "preview", None) is None


class TestEveryButton:
    def test_says_what_will_happen(self) -> None:
        silent = [name for page in pages() for name, _, button in buttons_of(page) if says_nothing(button)]

        assert silent == [], "buttons with neither a preview nor an explanation: docs/how-to/admin-action.md"

    def test_that_says_nothing_is_found(self) -> None:
        """Negative control."""

        @staff_action(description="Just do it", power=None, form=StaffForm)
        def act(*_: object) -> str:
            return "Done."

        assert says_nothing(act)
