"""The catalogs contain every translatable text in full, and Django reads what they say."""

import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message

from tests.catalogs import (
    LANGUAGES,
    LOCALE,
    compiled,
    find_texts,
    missing,
    read_catalog,
    texts_of_template,
    update_catalog,
    written,
)

PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+|%%")
PLURALS = {"es": 3, "pl": 3}
# Placeholders that the singular may omit: "one session" needs no number.
NUMBERS = {"%(counter)s", "%(count)s", "%(total)s"}


@pytest.fixture(scope="module", params=LANGUAGES)
def catalog(request: pytest.FixtureRequest) -> Catalog:
    return read_catalog(request.param)


def messages(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def faults(message: Message) -> list[str]:
    """Return the translations that lack placeholders or tags of the text."""
    originals = [message.id] if isinstance(message.id, str) else list(message.id)
    translations = [message.string] if isinstance(message.string, str) else list(message.string)
    wanted = {found for text in originals for found in PLACEHOLDER.findall(text)}
    return [text for text in translations if (set(PLACEHOLDER.findall(text)) ^ wanted) - NUMBERS]


class TestACatalog:
    def test_is_up_to_date_with_code_pages_and_mails(self, catalog: Catalog) -> None:
        language = str(catalog.locale)
        path = LOCALE / language / "LC_MESSAGES" / "django.po"

        fresh = written(update_catalog(language, find_texts()))

        assert fresh == path.read_bytes(), "Run python -m tests.catalogs"

    def test_is_compiled(self, catalog: Catalog) -> None:
        path = LOCALE / str(catalog.locale) / "LC_MESSAGES" / "django.mo"

        assert compiled(catalog) == path.read_bytes(), "Run python -m tests.catalogs"

    def test_lacks_no_translation_and_guesses_none(self, catalog: Catalog) -> None:
        assert missing(catalog) == []
        assert [message.id for message in messages(catalog) if message.fuzzy] == []

    def test_keeps_placeholders_and_tags(self, catalog: Catalog) -> None:
        assert {str(message.id): found for message in messages(catalog) if (found := faults(message))} == {}

    def test_has_every_plural_form_of_its_language(self, catalog: Catalog) -> None:
        forms = {len(message.string) for message in messages(catalog) if isinstance(message.id, tuple | list)}

        assert forms == {PLURALS[str(catalog.locale)]}


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("{% translate 'Hello' %}", ["Hello"]),
        ("{% blocktranslate with a=b.c %}Hello {{ a }}{% endblocktranslate %}", ["Hello %(a)s"]),
        (
            "{% blocktranslate count n=m %}{{ n }} step{% plural %}{{ n }} steps{% endblocktranslate %}",
            [("%(n)s step", "%(n)s steps")],
        ),
        ('{{ day|date:_("F j, Y") }}', ["F j, Y"]),
        ("<p>Hello</p>", []),
    ],
)
def test_the_texts_of_a_template_are_found(template: str, texts: list[object]) -> None:
    assert list(texts_of_template(template)) == texts


@pytest.mark.parametrize("translation", ["Hola", "Hola %(nombre)s", "<b>Hola %(name)s"])
def test_a_lost_placeholder_is_found(translation: str) -> None:
    assert faults(Message("Hello %(name)s", translation)) == [translation]
