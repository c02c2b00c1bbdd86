import ast
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from django import forms
from django.db import models
from rest_framework import serializers

from core.commands import number, whole_number
from core.forms import WholeNumberField, highest_in
from core.http import fields, query
from core.numbers import MAX_BIGINT, MAX_INT, MAX_SMALLINT, WholeNumberConverter, counted, parse_whole_number

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("accounts", "backoffice", "billing", "cohorts", "core", "demo", "enrollments", "events", "notifications")
UNREADABLE = [
    "１２",
    "1_000",
    "+1",
    " 1 ",
    "1\n",
    "1e3",
    "1.0",
    "-0",
    "-1",
    "007",
    "²",
    "٣",
    "x",
    str(10**30),
    "9" * 5_000,
]


class TestAWholeNumber:
    @pytest.mark.parametrize("number", [0, 7, MAX_INT, MAX_BIGINT])
    def test_is_read_from_its_digits(self, number: int) -> None:
        assert parse_whole_number(str(number)) == number

    @pytest.mark.parametrize("text", ["", *UNREADABLE, str(MAX_BIGINT + 1)])
    def test_is_not_read_from_what_merely_resembles_it(self, text: str) -> None:
        assert parse_whole_number(text) is None

    @pytest.mark.parametrize("text", ["0", "501"])
    def test_is_not_read_beyond_its_bounds(self, text: str) -> None:
        assert parse_whole_number(text, lowest=1, highest=500) is None


class TestAWholeNumberOnAForm:
    @pytest.mark.parametrize("text", [*UNREADABLE, "0", "501"])
    def test_is_refused_with_the_one_sentence(self, text: str) -> None:
        with pytest.raises(forms.ValidationError) as refusal:
            WholeNumberField(min_value=1, max_value=500).clean(text)

        assert refusal.value.messages == ["Give a whole number from 1 to 500: only digits, without a leading zero."]

    def test_is_read_otherwise(self) -> None:
        assert WholeNumberField(max_value=500).clean("500") == 500
        assert WholeNumberField(max_value=500, required=False).clean("") is None


class TestAWholeNumberInAQuery:
    @pytest.mark.parametrize("text", [*UNREADABLE, "0", "501"])
    def test_is_refused_with_the_one_sentence(self, text: str) -> None:
        with pytest.raises(serializers.ValidationError) as refusal:
            query.QueryNumberField(min_value=1, max_value=500).run_validation(text)

        assert refusal.value.detail == ["Give a whole number from 1 to 500: only digits, without a leading zero."]

    def test_is_read_otherwise(self) -> None:
        assert query.QueryNumberField(min_value=1, max_value=500).run_validation("500") == 500


class TestAWholeNumberInABody:
    @pytest.mark.parametrize("value", ["5", 5.0, True, None, [5], -1, 0, 501])
    def test_is_refused_unless_it_is_a_number_within_its_bounds(self, value: object) -> None:
        with pytest.raises(serializers.ValidationError):
            fields.WholeNumberField(min_value=1, max_value=500).run_validation(value)

    @pytest.mark.parametrize(("value", "code"), [(0, "min_value"), (501, "max_value"), ("5", "invalid")])
    def test_is_refused_with_the_one_sentence_and_a_code_that_tells_why(self, value: object, code: str) -> None:
        with pytest.raises(serializers.ValidationError) as refusal:
            fields.WholeNumberField(min_value=1, max_value=500).run_validation(value)

        assert refusal.value.detail == ["Give a whole number from 1 to 500: only digits, without a leading zero."]
        assert refusal.value.get_codes() == [code]


class TestAWholeNumberOnACommandLine:
    @pytest.mark.parametrize("text", ["", *UNREADABLE, "0", "501"])
    def test_is_refused_with_the_one_sentence(self, text: str) -> None:
        with pytest.raises(ArgumentTypeError, match="Give a whole number from 1 to 500: only digits"):
            whole_number(1, 500)(text)

    def test_is_read_otherwise(self) -> None:
        assert whole_number(1, 500)("500") == 500

    @pytest.mark.parametrize("text", ["", "1_0", "1e1", "１", "nan", "inf", "-1", "+1", " 1", "501"])
    def test_with_a_fraction_is_refused_as_strictly(self, text: str) -> None:
        with pytest.raises(ArgumentTypeError, match="give a number between 0 and 500"):
            number(0, 500)(text)

    @pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.5", 0.5), ("500", 500.0)])
    def test_may_have_a_fraction_where_it_says_so(self, text: str, value: float) -> None:
        assert number(0, 500)(text) == value


class TestAWholeNumberInAnAddress:
    @pytest.mark.parametrize("text", [str(MAX_BIGINT + 1), str(10**18 * 9 + 10**18 - 1)])
    def test_leads_nowhere_where_no_column_holds_it(self, text: str) -> None:
        with pytest.raises(ValueError, match="no column"):
            WholeNumberConverter().to_python(text)

    def test_passes_through_unchanged(self) -> None:
        converter = WholeNumberConverter()

        assert converter.to_url(converter.to_python("12")) == "12"


class TestAColumn:
    @pytest.mark.parametrize(
        ("column", "highest"),
        [
            (models.PositiveSmallIntegerField(), MAX_SMALLINT),
            (models.IntegerField(), MAX_INT),
            (models.PositiveIntegerField(), MAX_INT),
            (models.BigIntegerField(), MAX_BIGINT),
        ],
    )
    def test_holds_what_postgresql_lets_it_hold(self, column: "models.IntegerField[int, int]", highest: int) -> None:
        assert highest_in(column) == highest


def readings_of_its_own(source: str) -> list[str]:
    """Find modules that read whole numbers by their own rule: Django's form field, argparse's `int`, `isdigit`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ("isdigit", "isdecimal", "isnumeric"):
            found.append(node.attr)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "forms.IntegerField":
                found.append(called)
            if called.endswith("add_argument") and any(ast.unparse(each.value) == "int" for each in node.keywords):
                found.append(called)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "<int:" in node.value:
            found.append(node.value)
    return found


class TestTheRule:
    def test_is_the_only_one(self) -> None:
        modules = [
            module
            for app in (*PRODUCT, "enrollment_project")
            for module in (ROOT / app).rglob("*.py")
            if not {"tests", "migrations"} & set(module.parts)
        ]

        found = {str(each.relative_to(ROOT)): own for each in modules if (own := readings_of_its_own(each.read_text()))}

        assert found == {}

    @pytest.mark.parametrize(
        "source",
        [
            "forms.IntegerField(min_value=0)",
            "parser.add_argument('--limit', type=int)",
            "text.isdigit()",
            "path('cohorts/<int:cohort_id>', view)",
        ],
    )
    def test_is_missed_where_it_is_broken(self, source: str) -> None:
        assert len(readings_of_its_own(source)) == 1


@pytest.mark.parametrize(
    ("many", "words"), [(0, "0 addresses"), (1, "1 address"), (2, "2 addresses"), (1_200, "1,200 addresses")]
)
def test_a_counted_noun_agrees_with_its_number(many: int, words: str) -> None:
    assert counted(many, "address", "addresses") == words
    assert counted(many, "seat") == words.replace("addresses", "seats").replace("address", "seat")
