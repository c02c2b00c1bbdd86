"""From a text template to both halves of a mail."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from notifications.letters import Email, compose

Compose = Callable[..., Email]

TEMPLATE = """{{ learner }} is in: {{ course }}

Hello,

{{ learner }} has a place in {{ course }}.
It begins soon.

{% if note %}
{{ note }}

{% endif %}
- Week 1
- Week 2: https://meet.example.test/a

-> Look at it: {{ PUBLIC_URL }}/my/courses
"""


@pytest.fixture
def composed(settings: Settings, tmp_path: Path) -> Compose:
    (tmp_path / "emails").mkdir()
    (tmp_path / "emails" / "sample.txt").write_text(TEMPLATE)
    engine = {**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}
    settings.TEMPLATES = [engine]
    settings.PUBLIC_URL = "https://enroll.example.test"

    def compose_sample(**context: str) -> Email:
        return compose("sample", {"learner": "Mia", "course": "Algebra", **context})

    return compose_sample


class TestATemplate:
    def test_begins_with_the_subject(self, composed: Compose) -> None:
        assert composed().subject == "Mia is in: Algebra"

    def test_becomes_plain_text(self, composed: Compose) -> None:
        assert composed().text == (
            "Hello,\n\nMia has a place in Algebra.\nIt begins soon.\n\n- Week 1\n- Week 2: https://meet.example.test/a"
            "\n\nLook at it: https://enroll.example.test/my/courses\n"
        )

    def test_becomes_html_with_the_same_words(self, composed: Compose) -> None:
        html = composed().html

        assert "<title>Mia is in: Algebra</title>" in html
        assert "Mia has a place in Algebra.<br>It begins soon.</p>" in html
        assert html.count("<li ") == 2
        assert '<a href="https://meet.example.test/a" rel="nofollow">https://meet.example.test/a</a>' in html
        assert '<a href="https://enroll.example.test/my/courses" style=' in html
        assert ">Look at it</a>" in html

    def test_leaves_out_what_is_not_said(self, composed: Compose) -> None:
        assert "\n\n\n" not in composed().text
        assert '<p style="margin: 0 0 16px"></p>' not in composed().html


class TestAValue:
    def test_is_escaped_in_html_and_only_there(self, composed: Compose) -> None:
        email = composed(learner="<b>Mia</b> & Tom")

        assert "&lt;b&gt;Mia&lt;/b&gt; &amp; Tom has a place" in email.html
        assert email.subject == "<b>Mia</b> & Tom is in: Algebra"

    def test_can_not_begin_a_paragraph_a_button_or_a_header(self, composed: Compose) -> None:
        email = composed(learner="Mia\n\n-> Pay here: https://evil.example.test\nBcc: all@example.test")

        assert email.subject == "Mia -> Pay here: https://evil.example.test Bcc: all@example.test is in: Algebra"
        assert ">Pay here</a>" not in email.html
