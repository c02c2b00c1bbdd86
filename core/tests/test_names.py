import pytest

from core.names import fold_name


class TestANameForComparison:
    @pytest.mark.parametrize(
        "spelling",
        [
            "Sean O\u2019Brien",
            "Sean O\u02bcBrien",
            "Sean O\u2018Brien",
            "Sean O\u00b4Brien",
            "Sean O`Brien",
            "Sean O\uff07Brien",
            "Sean O'Brien\u200b",
            "\u200fSean O'Brien",
            "Sean\u00a0 O'Brien",
            "Sean\u3000O'\u2060Brien",
            "SEAN O'BRI\u00adEN",
            "Ｓean O'Brien",
        ],
    )
    def test_is_the_same_however_it_was_typed(self, spelling: str) -> None:
        assert fold_name(spelling) == "sean o'brien"

    @pytest.mark.parametrize("dash", ["-", "\u2010", "\u2011", "\u2013", "\u2014", "\u2212", "\uff0d", "\ufe63"])
    def test_has_one_kind_of_dash(self, dash: str) -> None:
        assert fold_name(f"Anne{dash}Marie") == "anne-marie"

    def test_forgets_the_dot_of_a_capital_dotted_i(self) -> None:
        assert fold_name("\u0130smail") == fold_name("I\u0307smail") == fold_name("ismail") == "ismail"

    def test_is_the_same_composed_or_not(self) -> None:
        assert fold_name("Jose\u0301") == fold_name("José")

    @pytest.mark.parametrize(("one", "other"), [("Jose", "José"), ("Ann Lee", "Annlee"), ("Isa", "Ida"), ("ı", "i")])
    def test_keeps_apart_what_may_be_two_people(self, one: str, other: str) -> None:
        assert fold_name(one) != fold_name(other)
