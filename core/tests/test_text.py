import pytest

from core.models import IdempotencyRecord
from core.text import limit_of, shorten, shorten_together

FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"


class TestShortening:
    @pytest.mark.parametrize(
        ("text", "limit", "short"),
        [
            ("Algebra for everybody", 21, "Algebra for everybody"),
            ("Algebra for everybody", 20, "Algebra for…"),
            ("Algebra for everybody", 12, "Algebra for…"),
            ("Algebra for everybody", 11, "Algebra…"),
            ("Algebra for everybody", 4, "Alg…"),
            ("Donaudampfschifffahrt today", 10, "Donaudamp…"),
            ("A Donaudampfschifffahrt", 10, "A Donauda…"),
            ("Algebra", 1, "…"),
            ("Algebra", 0, ""),
            ("", 5, ""),
        ],
    )
    def test_ends_after_a_word_where_one_ends_in_time(self, text: str, limit: int, short: str) -> None:
        assert shorten(text, limit) == short

    @pytest.mark.parametrize(
        ("text", "limit", "short"),
        [
            ("Cafe\N{COMBINING ACUTE ACCENT}s", 5, "Caf…"),  # the accent would be separated from its letter
            ("ab" + FAMILY + "cd", 6, "ab…"),
            ("a\N{REGIONAL INDICATOR SYMBOL LETTER U}\N{REGIONAL INDICATOR SYMBOL LETTER S}bc", 3, "a…"),
            ("한국어", 2, "한…"),
        ],
    )
    def test_cuts_nothing_that_a_reader_sees_as_one(self, text: str, limit: int, short: str) -> None:
        assert shorten(text, limit) == short

    def test_counts_as_the_destination_does(self) -> None:
        def in_bytes(text: str) -> int:
            return len(text.encode())

        short = shorten("été à la mer", 10, measure=in_bytes)

        assert short == "été…"
        assert in_bytes(short) <= 10


class TestShorteningTogether:
    def test_leaves_what_fits_alone(self) -> None:
        assert shorten_together("Algebra", "Fall", separator=": ", limit=13) == "Algebra: Fall"

    def test_gives_what_the_short_part_leaves_to_the_long_one(self) -> None:
        text = shorten_together("a" * 120, "Fall", separator=": ", limit=100)

        assert text == "a" * 93 + "…: Fall"
        assert len(text) == 100

    def test_tells_the_last_part_as_well_as_the_first(self) -> None:
        text = shorten_together("a" * 120, "b" * 79, separator=": ", limit=20)

        assert text == "aaaaaaaa…: bbbbbbbb…"


class TestTheLimitOfAColumn:
    def test_is_what_the_model_says(self) -> None:
        assert limit_of(IdempotencyRecord, "key") == 255
