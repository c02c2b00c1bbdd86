"""`python -m tests.catalogs`: bring the catalogs in `locale/` in line with the texts in code, pages, and mails.

New texts enter each catalog without a translation, obsolete texts leave it, and translations are compiled into the
files that Django reads. `manage.py makemessages` would need GNU gettext, which a fresh machine does not have.
"""

import ast
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as TranslatedMessage
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
LANGUAGES = ("es", "pl")
APPS = sorted(module.parent.name for module in ROOT.glob("*/apps.py"))
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
_CALL = re.compile(r"\b(n?gettext|_)\(")
_LITERAL = re.compile(r"\s*,?\s*(u?(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'))")

Message = str | tuple[str, str]


def find_texts() -> dict[Message, list[str]]:
    """Return every translatable text, with the files that contain it; one with a plural is a pair."""
    found: dict[Message, list[str]] = {}
    for path, message in sorted([*_in_code(), *_in_templates()], key=lambda pair: pair[0]):
        files = found.setdefault(message, [])
        name = str(path.relative_to(ROOT))
        if name not in files:
            files.append(name)
    return found


def _in_code() -> Iterator[tuple[Path, Message]]:
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if not {"tests", "migrations"} & set(path.relative_to(ROOT).parts):
                with path.open("rb") as source:
                    for _line, message, _comments, _context in extract("python", source, KEYWORDS):
                        yield path, message if isinstance(message, str) else (message[0], message[1])


def _in_templates() -> Iterator[tuple[Path, Message]]:
    for path in (ROOT / "templates").rglob("*"):
        if path.is_file():
            source = re.sub(r"{#.*?#}", "", path.read_text())
            yield from ((path, message) for message in texts_of_template(source))
            if (
                path.parent.parent.name == "emails"
                and path.suffix == ".txt"
                and "{%" not in source
                and "{{" not in source
            ):
                yield from ((path, line) for line in letter_lines(source))


def texts_of_template(source: str) -> Iterator[Message]:
    """Return the texts that a template's tags translate."""
    code = templatize(source)
    for call in _CALL.finditer(code):
        position, texts = call.end(), []
        while literal := _LITERAL.match(code, position):
            texts.append(ast.literal_eval(literal[1]))
            position = literal.end()
        if texts:
            yield (texts[0], texts[1]) if call[1] == "ngettext" else texts[0]


def letter_lines(source: str) -> Iterator[str]:
    """Return the lines of a mail with placeholders, `{learner}`, each a text of its own; for a button, its label."""
    for line in source.splitlines():
        label = line.removeprefix("-> ").rpartition(": ")[0] if line.startswith("-> ") else line.strip()
        if re.search(r"[A-Za-z]", re.sub(r"\{\w+\}", "", label)):
            yield label


def read_catalog(language: str) -> Catalog:
    path = _path(language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update_catalog(language: str, texts: dict[Message, list[str]]) -> Catalog:
    """Return the language's catalog with exactly these texts, and the translations it has."""
    known = read_catalog(language) if _path(language).exists() else Catalog(locale=language)
    fresh = Catalog(locale=language, charset="utf-8", fuzzy=False)
    fresh.header_comment = f"# Texts for families, in {fresh.locale.english_name}. Terms: docs/glossary.md."
    for message, files in texts.items():
        singular = message[0] if isinstance(message, tuple) else message
        there = known.get(singular)
        fits = there is not None and isinstance(there.id, tuple) == isinstance(message, tuple)
        translation = there.string if there is not None and fits else None
        flags = {"python-format"} & (there.flags if there is not None else set())
        fresh.add(message, translation, locations=[(name, None) for name in files], flags=flags)
    return fresh


def written(catalog: Catalog) -> bytes:
    """Write it as a .po file, without anything that changes with the day or the person."""
    file = BytesIO()
    write_po(file, catalog, width=120, omit_header=False, sort_output=False)
    kept = [line for line in file.getvalue().splitlines(keepends=True) if not line.startswith(_UNSTEADY)]
    return b"".join(kept)


def compiled(catalog: Catalog) -> bytes:
    """Compile it as Django reads it, with the same bytes each time."""
    read = read_po(BytesIO(written(catalog)), locale=catalog.locale)
    read.creation_date = read.revision_date = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    file = BytesIO()
    write_mo(file, read)
    return file.getvalue()


_UNSTEADY = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Last-Translator', b'"Project-Id-Version', b'"Generated-By')


def missing(catalog: Catalog) -> list[str]:
    """Return the texts that have no translation, or not in every plural form."""
    return [str(message.id) for message in catalog if message.id and not _is_whole(message, catalog.num_plurals)]


def _is_whole(message: TranslatedMessage, forms: int) -> bool:
    strings = _strings(message.string)
    wanted = 1 if isinstance(message.id, str) else forms
    return len(strings) == wanted and all(strings)


def _strings(string: str | Iterable[str] | None) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string or ())


def _path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def main() -> None:
    texts = find_texts()
    for language in LANGUAGES:
        catalog = update_catalog(language, texts)
        path = _path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalog))
        path.with_suffix(".mo").write_bytes(compiled(catalog))
        print(f"{language}: {len(texts)} texts, {len(missing(catalog))} to translate")


if __name__ == "__main__":
    main()
