"""Groups of states are defined once, in the states.py of an app, and all code uses their names."""

import ast
import importlib
from collections.abc import Collection, Iterator

import pytest
from django.db.models import Choices

from .own_code import APPS, PROJECT, ROOT, modules

PACKAGES = (*APPS, "demo", PROJECT)
# The doctor counts money by its own tuple: with the product's, it could not catch a mistake in that one.
OF_ITS_OWN = {"billing/invariants.py": {"_COUNTED"}}
# Lookups that represent a rule, each with the module that may write it.
LOOKUPS = {
    "revoked_at__isnull": {"cohorts/models/packages.py", "partners/models/certificates.py"},
    "package__revoked_at__isnull": {"cohorts/models/packages.py"},
    "next_check_at__lte": {"billing/models/checkouts.py"},
    "held_until__lte": {"cohorts/models/places.py"},
    "max_enrollment__gt": {"cohorts/models/terms.py"},
    "enrollment_deadline__gte": {"cohorts/models/terms.py"},
}


def named_groups() -> dict[str, tuple[str, frozenset[str]]]:
    """Return `app.NAME` -> the type and the members of each tuple of states that a states.py defines."""
    found = {}
    for path in (path for path in modules(*APPS) if path.name == "states.py"):
        app = path.parent.name
        module = importlib.import_module(f"{app}.states")
        for name, value in vars(module).items():
            if isinstance(value, tuple) and value and all(isinstance(each, Choices) for each in value):
                found[f"{app}.{name}"] = (type(value[0]).__name__, frozenset(each.name for each in value))
    return found


def _group_of(node: ast.AST) -> tuple[str, frozenset[str]] | None:
    """Return the type and the members if several states of one type are listed."""
    if not isinstance(node, ast.Tuple | ast.List | ast.Set) or len(node.elts) < 2:
        return None
    states = [each for each in node.elts if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)]
    types = {each.value.id for each in states if isinstance(each.value, ast.Name)}
    if len(states) != len(node.elts) or len(types) != 1:
        return None
    return types.pop(), frozenset(each.attr for each in states)


def groups_listed(source: str, *, own: Collection[str] = ()) -> Iterator[tuple[str, frozenset[str]]]:
    """Return the groups of states that a module lists, except in the sources of a transition, which are the state
    machine, and in tuples of its `own`.
    """
    tree = ast.parse(source)
    excepted: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "transition":
            excepted.update(inner for word in node.keywords for inner in ast.walk(word))
        if isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} & set(own):
            excepted.update(ast.walk(node))
    for node in ast.walk(tree):
        group = _group_of(node)
        if group is not None and node not in excepted:
            yield group


def lookups_written(source: str) -> set[str]:
    """Return the LOOKUPS that a module spells out, as keywords or in a dict; with numbers, they mean something else."""
    written: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg and not _is_number(node.value):
            written.add(node.arg)
        if isinstance(node, ast.Dict):
            written.update(str(key.value) for key in node.keys if isinstance(key, ast.Constant))
    return written & LOOKUPS.keys()


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


class TestStatesThatBelongTogether:
    def test_are_listed_nowhere_else_once_they_have_a_name(self) -> None:
        named = {group: name for name, group in named_groups().items()}

        strays = {
            (str(path.relative_to(ROOT)), named[group])
            for path in modules(*PACKAGES)
            if path.name != "states.py"
            for group in groups_listed(path.read_text(), own=OF_ITS_OWN.get(str(path.relative_to(ROOT)), ()))
            if group in named
        }

        assert len(named) >= 20
        assert strays == set(), "import the name from the app's states.py"

    def test_have_a_name_only_if_somebody_uses_it(self) -> None:
        used = {
            node.id
            for path in modules(*PACKAGES)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

        assert {name for name in named_groups() if name.split(".")[1] not in used} == set()

    def test_would_be_found_in_another_order(self) -> None:
        line = "if status in [CheckoutStatus.PROCESSING, CheckoutStatus.OPEN]: pass"

        assert list(groups_listed(line)) == [named_groups()["billing.LIVE_CHECKOUTS"]]

    @pytest.mark.parametrize(
        "line",
        [
            "@transition(field=status, source=[RefundStatus.REQUESTED, RefundStatus.PENDING])\ndef succeed(): ...",
            "row = (Facet.PAYMENT, RefundStatus.PENDING)",
            "status in (RefundStatus.PENDING,)",
        ],
    )
    def test_are_not_taken_for_a_state_machine_or_for_a_pair_of_two_kinds(self, line: str) -> None:
        assert list(groups_listed(line)) == []


class TestALookupThatStandsForARule:
    def test_is_written_where_the_rule_is_said(self) -> None:
        strays = {
            (str(path.relative_to(ROOT)), lookup)
            for path in modules(*PACKAGES)
            for lookup in lookups_written(path.read_text())
            if str(path.relative_to(ROOT)) not in LOOKUPS[lookup]
        }

        assert strays == set(), "ask the QuerySet of the model: live(), due(), with_room() ..."

    def test_is_still_written_there(self) -> None:
        """Otherwise this would check nothing."""
        for lookup, paths in LOOKUPS.items():
            for path in paths:
                source = (ROOT / path).read_text()

                assert lookup in lookups_written(source), (lookup, path)

    @pytest.mark.parametrize(
        ("line", "found"),
        [
            ("packages.filter(revoked_at__isnull=True)", {"revoked_at__isnull"}),
            ('room = {"max_enrollment__gt": taken}', {"max_enrollment__gt"}),
            ("cohorts.filter(max_enrollment__gt=0)", set()),
        ],
    )
    def test_would_be_found(self, line: str, found: set[str]) -> None:
        assert lookups_written(line) == found
