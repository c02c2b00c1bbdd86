"""Which expressions are accepted, what is reported about the others, and what they evaluate to. No database."""

from typing import Any

import pytest

from enrollments.eligibility.expressions import MAX_LENGTH, ExpressionFault, Known, compile_expression
from enrollments.eligibility.variables import VARIABLES

FACTS: dict[str, Any] = {
    "address": {"city": "New York", "country": "US"},
    "phone": "+15550100",
    "email": "jane@school.test",
    "gradeLevel": "5",
    "manufacturerSlugs": ["tesla", "enphase"],
    "tags": ["vip"],
    "metadata": {"age": 12, "pets": ["cat", "dog"], "device": {"model": "x"}, "whole": {"a": [{"b": 1}]}},
    "today": "2026-09-01",
    "programInstance": {"programCode": "MATH", "startDate": "2026-10-01"},
    "enrollments": [{"programCode": "ART", "status": "approved"}],
}


def known(expression: str, **facts: object) -> Known:
    reads = frozenset(path[0] for path in compile_expression(expression).reads)
    return Known({**FACTS, **facts}, reads)


def answer(expression: str, **facts: object) -> bool | None:
    return compile_expression(expression).answer(known(expression, **facts)).value


def problem(expression: str, **facts: object) -> str:
    answered = compile_expression(expression).answer(known(expression, **facts))
    assert answered.value is None
    return answered.problem


def fault(expression: str) -> str:
    with pytest.raises(ExpressionFault) as refusal:
        compile_expression(expression)
    return str(refusal.value.faults[0])


class TestAnExpression:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("address.country == 'US'", True),
            ("phone.startsWith('+1')", True),
            ("manufacturerSlugs.exists(slug, slug in ['enphase', 'sma'])", True),
            ("serialNumber != ''", False),
            ("'vip' in tags", True),
            ("has(metadata.age) && metadata.age >= 13", False),
            ("metadata['device'].model == 'x'", True),
            ("int(gradeLevel) >= 3 && int(gradeLevel) <= 5", True),
            ("school == ''", True),
            ("email.endsWith('@school.test')", True),
            ("today < programInstance.startDate", True),
            ("today >= '2026-09-01' && !has(programInstance.endDate)", True),
            ("timestamp(today + 'T00:00:00Z') - duration('24h') == timestamp('2026-08-31T00:00:00Z')", True),
            ("enrollments.exists(other, other.programCode == 'ART' && other.status == 'approved')", True),
            ("phone.matches('^[+]1[0-9]{7}$')", True),
            ("manufacturerSlugs.filter(slug, slug != 'tesla').size() == 1", True),
            ("manufacturerSlugs.map(slug, slug + '!') == ['tesla!', 'enphase!']", True),
            ("true // a remark", True),
        ],
    )
    def test_answers(self, expression: str, expected: bool) -> None:
        assert answer(expression) is expected

    def test_may_read_every_variable(self) -> None:
        assert [name for name in VARIABLES if fault_or_none(f"{name} == {name}")] == []

    @pytest.mark.parametrize(
        ("expression", "paths"),
        [
            ("metadata.age > 5 && metadata['age'] < 9", {"metadata.age": 12}),
            ("has(metadata.cat) || metadata.device.model == 'x'", {"metadata.device.model": "x"}),
            ("tags.exists(metadata, metadata == 'vip')", {"tags": ["vip"]}),
            ("metadata.pets.size() > 1 && metadata.pets[0] == 'cat'", {"metadata.pets": ["cat", "dog"]}),
            ("today > '2020-01-01'", {"today": "2026-09-01"}),
            ("1 == 1", {}),
        ],
    )
    def test_tells_what_it_reads_and_no_more(self, expression: str, paths: dict[str, object]) -> None:
        assert compile_expression(expression).inputs(known(expression)) == paths

    def test_keeps_a_long_input_by_its_size(self) -> None:
        expression = "metadata.essay != '' && metadata.list.size() > 0"

        inputs = compile_expression(expression).inputs(
            known(expression, metadata={"essay": "a" * 400, "list": list(range(200))})
        )

        assert inputs == {"metadata.essay": "400 characters", "metadata.list": "200 items"}


def fault_or_none(expression: str) -> str | None:
    try:
        compile_expression(expression)
    except ExpressionFault as refusal:
        return str(refusal)
    return None


class TestAFaultyExpression:
    @pytest.mark.parametrize(
        ("expression", "said"),
        [
            ("", "Line 1, column 1: expected an expression, found nothing."),
            (" \n ", "Line 1, column 1: expected an expression, found nothing."),
            (
                "address.country ==",
                "Line 1, column 19: expected a value: a name, a number, a text in quotes or something in brackets, "
                "found the end.",
            ),
            ("(true", "Line 1, column 6: expected ')' before the end."),
            ("phone = 'x'", "Line 1, column 7: expected == to compare."),
            ("true and false", "Line 1, column 6: expected && instead of and."),
            ("phone == “x”", "Line 1, column 10: expected straight quotes ' or \", found “."),
            (
                "true &&\n adress.city == 'x'",
                "Line 2, column 2: expected a variable that exists, found adress (did you mean address?).",
            ),
            (
                "address.contry == 'US'",
                "Line 1, column 8: expected one of streetOne, streetTwo, city, state, postalCode, country, "
                "found contry (did you mean country?).",
            ),
            (
                "phone.beginsWith('+1')",
                "Line 1, column 7: expected a function that exists, found beginsWith() (did you mean endsWith?).",
            ),
            ("tags.exists(tag)", "Line 1, column 6: expected exists as in tags.exists(tag, tag == 'x')."),
            ("1 + 1", "Line 1, column 1: expected true or false as the answer, found a whole number."),
            ("metadata.age", "Line 1, column 1: expected true or false as the answer, found a value of any kind."),
            (
                "gradeLevel > 5",
                "Line 1, column 12: expected values of one kind that > can take, found a text and a whole number.",
            ),
            ("!phone", "Line 1, column 1: expected true or false after !, found a text."),
        ],
    )
    def test_is_told_where_and_what_was_expected(self, expression: str, said: str) -> None:
        assert fault(expression) == said


class TestAnExpressionThatTriesToHurt:
    @pytest.mark.parametrize(
        ("expression", "said"),
        [
            ("'" + "x" * MAX_LENGTH + "' == phone", "at most 1,000 characters"),
            ("(" * 100 + "true" + ")" * 100, "fewer operators and brackets inside each other"),
            ("+".join(["1"] * 300) + " > 1", "fewer operators and brackets inside each other"),
            (" || ".join(["true"] * 120), None),
            (" || ".join(["1<2"] * 140), "divide it into several criteria"),
            ("[metadata.text]" + ".map(x, x + x)" * 20 + " == []", "a simpler expression"),
            ("[tags]" + ".map(x, x + x)" * 20 + " == []", "a simpler expression"),
            ("tags.map(a, tags.map(b, tags)) == []", "a simpler expression"),
            ("tags.all(a, tags.all(b, tags.all(c, true)))", "at most 2 loops inside each other"),
            ("metadata.a.all(x, x.all(y, size(y + metadata.text) > 1))", "a simpler expression"),
            ("phone.matches(email)", "the pattern of matches() as a text in quotes"),
            ("phone.matches('[')", "a regular expression (missing ]: [)"),
            ("phone.matches('" + "a" * 201 + "')", "a pattern of at most 200 characters"),
            ("phone.matches('((a{1,900}){1,900})')", "a pattern with fewer repetitions"),
            ("phone.matches('a{99999999999999999999}')", "a pattern with fewer repetitions"),
            (r"phone.matches('\\pL{50}')", "a pattern with fewer repetitions"),
            ("metadata.text.matches('(.{1,30}){1,30}x')", "a simpler expression"),
            ("'\u202eSU' == address.country", "Control and invisible characters are not allowed (U+202E was found)"),
            ("'\ud800' == phone", "a lone surrogate was found"),
            ("'\x00' == phone", "NUL characters are not allowed"),
            ("рhone == 'x'", "a value or an operator, found"),
        ],
        ids=range(21),
    )
    def test_is_refused_when_saved(self, expression: str, said: str | None) -> None:
        refusal = fault_or_none(expression)

        assert refusal is None if said is None else (refusal is not None and said in refusal)

    @pytest.mark.parametrize(
        ("expression", "facts", "said"),
        [
            ("metadata.agee > 5", {}, "metadata.agee is missing"),
            ("address.state == 'NY'", {}, "address.state is missing"),
            ("metadata.age > '5'", {}, "a value is of another kind than the expression expects"),
            ("metadata.age.years > 5", {}, "a value is of another kind than the expression expects"),
            ("metadata.age / 0 > 1", {}, "it divides by zero"),
            ("9223372036854775807 + metadata.age > 0", {}, "a number is too large"),
            ("metadata.age > 5", {"metadata": {"age": 2**70}}, "a number is too large"),
            ("metadata.pets[7] == 'cat'", {}, "a list has fewer items than the expression expects"),
            ("int(gradeLevel) > 3", {"gradeLevel": "K"}, "a text is not what the expression turns it into"),
            ("timestamp(phone) < timestamp(email)", {}, "a text is not what the expression turns it into"),
            ("timestamp('2026-09-01T00:00:00Z').getHours('Nowhere/Town') == 0", {}, "there is no such time zone"),
            ("metadata.all(a, metadata.all(b, a != b || true))", {"metadata": {str(n): 0 for n in range(200)}}, "much"),
            ("'x' in tags", {"tags": ["x"] * 51}, "tags holds more than 51 values"),
            ("'x' in tags", {"tags": ["x" * 3_000]}, "tags holds more than 2,500 characters"),
            ("'x' in tags", {"tags": [1, "x"]}, "a value is of another kind than the expression expects"),
            ("phone == ''", {"phone": None}, "a value is of another kind than the expression expects"),
            ("metadata.a == 1", {"metadata": {"a": "x" * 20_000}}, "metadata holds more than 16,384 characters"),
            ("metadata.a == 'x'", {"metadata": {"a": "\ud800"}}, "the expression failed"),
            ("metadata.a == 1", {"metadata": {"a": object()}}, "a value is of another kind"),
        ],
        ids=range(19),
    )
    def test_leaves_open_what_it_can_not_answer(self, expression: str, facts: dict[str, object], said: str) -> None:
        assert said in problem(expression, **facts)

    def test_is_given_no_data_that_is_nested_without_end(self) -> None:
        nested: dict[str, Any] = {}
        for _ in range(100_000):  # deep enough to crash a process that walks it recursively
            nested = {"a": nested}

        assert problem("metadata.a == 1", metadata=nested) == "metadata is nested more than 8 levels deep"
        while nested:  # a dict is also destroyed recursively
            nested = nested.pop("a")
