"""`core.text` fits texts into columns: a slice cuts words and accents apart, and a composed text may be too long."""

import ast
from collections.abc import Iterator

import pytest
from django.db import models

from .own_code import APPS, PROJECT, ROOT, modules, own_models

MODELS = own_models()
LIMITED = {
    field.name
    for model in MODELS
    for field in model._meta.concrete_fields
    if isinstance(field, models.CharField) and field.max_length and not field.choices
}
WRITERS = {model.__name__ for model in MODELS} | {"create", "update", "get_or_create", "update_or_create"}
GIVEN_BY_PEOPLE = {"title", "name", "label", "first_name", "last_name", "teacher", "school", "reason", "note"}


def writings(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Return the columns that this code assigns, with the value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in WRITERS or called == "set":
                yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = (
                    zip(target.elts, node.value.elts, strict=False)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                    else [(target, node.value)]
                )
                yield from ((to.attr, value) for to, value in pairs if isinstance(to, ast.Attribute))


def may_not_fit(value: ast.expr) -> bool:
    """Return whether the value is cut by a number, or composed of what people wrote."""
    if isinstance(value, ast.Subscript):
        return isinstance(value.slice, ast.Slice) and value.slice.upper is not None
    parts = value.values if isinstance(value, ast.JoinedStr) else []
    used = [node.attr for part in parts for node in ast.walk(part) if isinstance(node, ast.Attribute)]
    return any(name in GIVEN_BY_PEOPLE for name in used)


def faults_in(source: str) -> list[str]:
    return [name for name, value in writings(ast.parse(source)) if name in LIMITED and may_not_fit(value)]


class TestTextsInColumns:
    def test_are_made_to_fit_by_one_function(self) -> None:
        faults = {
            str(module.relative_to(ROOT)): found
            for module in modules(*APPS, PROJECT)
            if (found := faults_in(module.read_text()))
        }

        assert faults == {}

    @pytest.mark.parametrize(
        "source",
        [
            "Refund(note=note[:300])",
            "Refund.objects.filter(pk=1).update(last_error=str(error)[:300])",
            "place.status, place.release_reason = status, reason[:200]",
            "Checkout.objects.create(description=f'{program.title}: {cohort.name}')",
            "journal.set(eligibility_reason=f'{verdict.reason}!')",
        ],
    )
    def test_are_noticed_when_they_are_not(self, source: str) -> None:
        assert len(faults_in(source)) == 1
