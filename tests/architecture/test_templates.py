"""Every name a template reads exists: a missing one would silently show nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.messages.storage.base import Message
from django.core.paginator import Page, Paginator
from django.forms import BaseFormSet, BoundField, Form
from unfold.fields import UnfoldAdminReadonlyField

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file())
KINDS = (BaseFormSet, BoundField, Form, Message, Page, Paginator, UnfoldAdminReadonlyField)
DJANGOS = {name for kind in KINDS for name in dir(kind)}
DJANGOS |= {"auto_id", "is_popup", "text_input", "user_agent"}  # which only their objects have

_TAG = re.compile(r"{{(.*?)}}|{%(.*?)%}", re.DOTALL)
_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")
_CHAIN = re.compile(r"\b[A-Za-z_]\w*(?:\.\w+)+")
_WORD = re.compile(r"[A-Za-z_]\w*")


def read_from_others(template: str) -> Iterator[str]:
    """Return the attributes and keys that a template reads: b and c of `{{ a.b.c }}`."""
    for output, tag in _TAG.findall(template):
        for chain in _CHAIN.findall(_TEXT.sub("", output or tag)):
            yield from (name for name in chain.split(".")[1:] if not name.isdigit())


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Return every word of the product's Python, and the names of Django's and Unfold's own objects."""
    files = [
        file
        for file in ROOT.rglob("*.py")
        if not {"tests", "migrations", "bench", "var"} & {*file.relative_to(ROOT).parts}
        and not file.relative_to(ROOT).parts[0].startswith(".")
    ]
    return {word for file in files for word in _WORD.findall(file.read_text())} | DJANGOS


class TestATemplate:
    @pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_reads_only_what_the_code_names(self, template: Path, known: set[str]) -> None:
        assert {*read_from_others(template.read_text())} - known == set()

    def test_that_reads_a_name_of_yesterday_would_be_found(self, known: set[str]) -> None:
        template = "{% if card.view.no_longer_called_so %}{{ card.view.enrollment.cuid|default:'a.bb' }}{% endif %}"

        assert {*read_from_others(template)} - known == {"no_longer_called_so"}
