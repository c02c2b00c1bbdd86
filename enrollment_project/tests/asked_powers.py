"""Finds every function that checks what somebody may do, so that each of them has a test that shows it matters."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.own_code import APPS, PROJECT, ROOT, modules

ASKS = {
    "has_module_permission",
    "has_passed_second_factor",
    "has_view_permission",
    "is_kept_out_without_second_factor",
    "is_signed_in_by_password",
    "limit",
    "may",
    "may_anywhere",
    "workspace_ids",
}
_WORDS = re.compile(rf"\b(?:{'|'.join(sorted(ASKS))})\(|PermissionDenied|\.everywhere\b")
# The functions that keep nobody out, and why they check.
NOT_GUARDS = {
    "accounts.api.authentication:StudentSession.enforce_csrf": "says in more words what Django refuses",
    "accounts.api.permissions:require_scope": "of the API: tests/contracts asks every field of every caller",
    "backoffice.admin.exports:_workspaces": "keeps whose rows a file has; without it, it opens to nobody",
    "backoffice.exporting.lists:ListSource.rows": "a second lock: the rows of the page itself are limited",
    "backoffice.pages.second_factor:set_up_app": "chooses what the page says",
    "backoffice.scoping:WorkspaceScopedAdmin.every_column": "leaves out a column that would say the same in every row",
    "backoffice.scoping:WorkspaceScopedAdmin.get_changeform_initial_data": "fills in the only choice there is",
    "backoffice.site:BackOfficeSite.login": "leads on to the second factor, whose page asks itself",
    "enrollment_project.dashboard.search:search": "saves a search that would find nothing",
    "enrollment_project.dashboard.waiting:_queue_tile": "saves a count of nothing: the rows are the page's",
}


def asking() -> set[str]:
    """Return the functions in the notation of guards: `module:Class.function`, nested ones by the outermost."""
    return {name for path in modules(*APPS, PROJECT) for name in asking_in(path)}


def asking_in(path: Path) -> Iterator[str]:
    text = path.read_text()
    if not _WORDS.search(text):
        return
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for name, function in _functions(ast.parse(text), ""):
        if any(_asks(node) for node in ast.walk(function)):
            yield f"{module}:{name}"


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            yield f"{prefix}{child.name}", child


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in ASKS
    if isinstance(node, ast.Raise) and node.exc is not None:
        return "'PermissionDenied'" in ast.dump(node.exc)
    return isinstance(node, ast.Attribute) and node.attr == "everywhere"
