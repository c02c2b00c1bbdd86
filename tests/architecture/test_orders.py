"""Each query states its order, and only the module that owns a counter changes it."""

import ast
from collections.abc import Iterator

import pytest
from django.contrib import admin

from .own_code import APPS, ROOT, modules, own_models

MODELS = own_models()

# Counters that decide whether there is room or money left, and the module that changes each.
OWNERS = {
    "held_places": "cohorts/sale/places.py",
    "current_enrollment": "cohorts/sale/places.py",
    "booked_count": "cohorts/learning/steps.py",
    "reserved_seats": "enrollments/seats.py",
    "used_seats": "enrollments/seats.py",
    "refunded_minor": "billing/balance.py",
    "last_number": "billing/invoicing/numbering.py",
    "last_correction": "billing/invoicing/numbering.py",
    "transition_count": "enrollments/history.py",
    "change_count": "partners/history.py",
}


def counters_changed(source: str) -> Iterator[str]:
    """Return the counters that a module writes: by a keyword of update(), by an assignment, or in SQL."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "update":
                yield from (keyword.arg for keyword in node.keywords if keyword.arg in OWNERS)
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = [each for target in targets for each in ast.walk(target)]
            yield from (each.attr for each in named if isinstance(each, ast.Attribute) and each.attr in OWNERS)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "UPDATE " in node.value:
            yield from (name for name in OWNERS if f"{name} =" in node.value)


class TestModels:
    def test_leave_the_order_to_each_query(self) -> None:
        assert [model.__name__ for model in MODELS if model._meta.ordering] == []


class TestListsOfTheBackOffice:
    def test_end_their_order_with_what_no_two_rows_share(self) -> None:
        vague = []
        for model, page in admin.site._registry.items():
            if model not in MODELS:
                continue
            last = str(page.ordering[-1] if page.ordering else "").removeprefix("-")
            is_unique = last in ("id", "pk") or (last and model._meta.get_field(last).unique)
            vague += [] if is_unique else [model.__name__]

        assert vague == []


class TestCounters:
    def test_are_changed_by_the_module_that_owns_them(self) -> None:
        strays = [
            f"{module.relative_to(ROOT)}: {counter}"
            for module in modules(*APPS)
            for counter in counters_changed(module.read_text())
            if OWNERS[counter] != str(module.relative_to(ROOT))
        ]

        assert strays == []

    @pytest.mark.parametrize(
        "source",
        [
            "Cohort.objects.filter(pk=1).update(held_places=F('held_places') - 1)",
            "cohort.current_enrollment += 1",
            "payment.refunded_minor = 0",
            "SQL = 'UPDATE sessions SET booked_count = booked_count + 1'",
        ],
    )
    def test_are_noticed_where_others_change_them(self, source: str) -> None:
        assert len(list(counters_changed(source))) == 1

    def test_are_fields_of_ours(self) -> None:
        fields = {field.name for model in MODELS for field in model._meta.concrete_fields}

        assert OWNERS.keys() <= fields
