import pytest

from core.paper import Line, lay_out, spell_out


def drawn(text: str, width: float = 500) -> list[str]:
    """Return each line as it is drawn, from left to right."""
    return ["".join(piece for piece, _ in line.runs) for line in lay_out(text, width=width)]


def fonts(line: Line) -> list[str]:
    return [font for _, font in line.runs]


class TestSpellingOut:
    @pytest.mark.parametrize(
        ("text", "spelled"),
        [
            ("Əhməd Łódź Ωμέγα Ёлка", "Əhməd Łódź Ωμέγα Ёлка"),
            ("משה محمد 王小明 山田 김민수 สมชาย श्री", "משה محمد 王小明 山田 김민수 สมชาย श्री"),
            ("Anna \N{GRINNING FACE}", "Anna [grinning face]"),
            ("\N{RUNIC LETTER FEHU FEOH FE F}", "[U+16A0]"),
            ("a\u200bb\u202ec\ufe0f\x07", "abc"),
            ("\N{WOMAN}\u200d\N{GIRL}", "[woman][girl]"),
            ("tab\tand\u3000wide", "tab and wide"),
        ],
    )
    def test_leaves_nothing_out_that_can_be_seen(self, text: str, spelled: str) -> None:
        assert spell_out(text) == spelled


class TestLayingOut:
    def test_breaks_after_words(self) -> None:
        assert drawn("one two three four", width=60) == ["one two", "three four"]

    def test_breaks_inside_what_is_longer_than_a_line(self) -> None:
        lines = lay_out("x" * 200, width=100)

        assert "".join("".join(piece for piece, _ in line.runs) for line in lines) == "x" * 200
        assert max(line.width for line in lines) <= 100

    def test_breaks_chinese_between_any_two_letters(self) -> None:
        lines = lay_out("数学" * 40, width=100)

        assert max(line.width for line in lines) <= 100
        assert len({line.width for line in lines[:-1]}) == 1

    def test_keeps_the_lines_that_were_given(self) -> None:
        assert drawn("one\n\ntwo") == ["one", "", "two"]

    def test_draws_hebrew_from_right_to_left_and_opens_brackets_towards_it(self) -> None:
        assert drawn("משה (Moshe) 12") == ["12 (Moshe) השמ"]

    def test_joins_the_letters_of_arabic(self) -> None:
        (line,) = drawn("محمد")

        assert line == "\ufeaa\ufee4\ufea4\ufee3"  # final, medial, medial, initial: from left to right

    def test_takes_each_letter_from_a_font_that_has_it(self) -> None:
        (line,) = lay_out("Ana 王 สม श्री", width=500)

        assert fonts(line) == [
            "DejaVuSans",
            "DroidSansFallback",
            "DejaVuSans",
            "NotoSansThai-Regular",
            "NotoSansDevanagari-Regular",
        ]

    def test_places_marks_without_room_of_their_own(self) -> None:
        (bare,), (marked,) = lay_out("นา", width=500), lay_out("น้า", width=500)

        assert marked.width == pytest.approx(bare.width)
