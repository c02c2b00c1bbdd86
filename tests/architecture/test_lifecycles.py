"""The tables in docs/lifecycles.md against the code: every state times every transition."""

import re
from pathlib import Path

import pytest
from django.db.models import Model
from django_fsm import FSMField, TransitionNotAllowed

from billing.models import Checkout, Discount, Dispute, Invoice, Payment, Refund
from enrollments.models import Enrollment, EnrollmentDecision
from partners.models import EnrollmentStep

MODELS: dict[str, type[Model]] = {
    model.__name__: model
    for model in (Enrollment, EnrollmentDecision, Checkout, Discount, Payment, Refund, Dispute, EnrollmentStep, Invoice)
}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "lifecycles.md"
ROW = re.compile(r"^\| (\w+) \| ([\w, ]+) \| (\w+) \| .+ \|$")


def documented() -> dict[tuple[str, str], dict[str, tuple[set[str], str]]]:
    """Return (model, field) -> transition -> (sources, target), as the page says."""
    tables: dict[tuple[str, str], dict[str, tuple[set[str], str]]] = {}
    current: dict[str, tuple[set[str], str]] = {}
    for line in PAGE.read_text().splitlines():
        if heading := re.fullmatch(r"## (\w+)\.(\w+)", line):
            current = tables.setdefault((heading[1], heading[2]), {})
        elif (row := ROW.fullmatch(line)) and row[1] != "transition":
            current[row[1]] = (set(row[2].split(", ")), row[3])
    return tables


TABLES = documented()


def in_state(model: type[Model], field: str, state: str) -> Model:
    return model(**{field: state})


def every_pair() -> list[tuple[str, str, str, str]]:
    return [
        (model, field, state, transition)
        for (model, field), table in TABLES.items()
        for state in dict(MODELS[model]._meta.get_field(field).choices or [])
        for transition in table
    ]


class TestTheLifecycles:
    def test_of_every_state_machine_are_documented(self) -> None:
        machines = {
            (model.__name__, field.name)
            for model in MODELS.values()
            for field in model._meta.get_fields()
            if isinstance(field, FSMField)
        }

        assert machines == set(TABLES)

    @pytest.mark.parametrize(("model", "field"), TABLES)
    def test_list_every_transition_the_code_has(self, model: str, field: str) -> None:
        declared = {
            transition.name for transition in MODELS[model]._meta.get_field(field).get_all_transitions(MODELS[model])
        }

        assert declared == set(TABLES[model, field])

    @pytest.mark.parametrize(("model", "field", "state", "transition"), every_pair())
    def test_allow_exactly_what_the_page_says(self, model: str, field: str, state: str, transition: str) -> None:
        sources, target = TABLES[model, field][transition]
        row = in_state(MODELS[model], field, state)

        if state in sources:
            getattr(row, transition)()
            assert getattr(row, field) == target
        else:
            with pytest.raises(TransitionNotAllowed):
                getattr(row, transition)()
            assert getattr(row, field) == state

    def test_can_not_be_walked_around_by_assignment(self) -> None:
        enrollment = Enrollment()

        with pytest.raises(AttributeError):
            enrollment.eligibility_status = "approved"

        assert enrollment.eligibility_status == "candidate"
