"""Which texts show something."""

import pytest

from core.characters import shows_something, visibility_fault


class TestATextThatIsShown:
    @pytest.mark.parametrize("text", ["Ana", "李", "É", "O'", "\u0627\u0644\u0644\u0647", "X Æ A-12"])
    def test_holds_something_to_see(self, text: str) -> None:
        assert shows_something(text)

    @pytest.mark.parametrize(
        "text", ["", " ", "\u200b", "\u200f\u200d", "\u3164", "\uffa0", "\u2800", "\u0301", "\u00ad"]
    )
    def test_is_none_if_nobody_sees_it(self, text: str) -> None:
        assert not shows_something(text)

    @pytest.mark.parametrize("text", ["\u2800", "\u0301", " \u0301\u0302"])
    def test_is_what_a_field_wants(self, text: str) -> None:
        assert visibility_fault(text) == "Enter text that can be seen."
        assert visibility_fault("É") == visibility_fault("") == ""
