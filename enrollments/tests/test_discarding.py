"""Discarding an application by its mailed link, for a recipient who never applied."""

from typing import Any

import pytest

from enrollments.models import Application, ApplicationFile
from enrollments.models.forms import files_of_applications
from enrollments.states import QuestionKind
from enrollments.tests.applicants import (
    answer_to,
    apply,
    ask,
    fill_in,
    instance_with_form,
    mailed_link,
    pdf,
    press,
)

pytestmark = pytest.mark.django_db


def page(response: Any) -> str:
    return " ".join(response.content.decode().split())


class TestAnApplicationOfSomebodyElse:
    def test_is_deleted_with_its_files_by_the_recipient_of_its_mail(
        self, django_capture_on_commit_callbacks: Any
    ) -> None:
        instance = instance_with_form()
        fill_in(instance, **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()))
        stored = ApplicationFile.objects.get().content.name

        with django_capture_on_commit_callbacks(execute=True):
            response = press(mailed_link(), "discard_for_good")

        assert response.status_code == 200
        assert (Application.objects.count(), ApplicationFile.objects.count()) == (0, 0)
        assert not files_of_applications().exists(stored)
        assert press(mailed_link()).status_code == 404

    def test_is_deleted_only_after_a_page_that_counts_what_goes(self) -> None:
        instance = instance_with_form()
        texts = [ask(instance), ask(instance), ask(instance)]
        fill_in(
            instance,
            **answer_to(texts[0], "Chess"),
            **answer_to(texts[1], "Go"),
            **answer_to(ask(instance, kind=QuestionKind.FILE), pdf()),
        )

        asked = page(press(mailed_link(), "discard"))

        assert [f"<dd>{number}</dd>" in asked for number in (2, 1)] == [True, True]
        assert 'value="discard_for_good"' in asked
        assert "Mia" not in asked
        assert "ann@home.test" not in asked
        assert (Application.objects.count(), ApplicationFile.objects.count()) == (1, 1)

    @pytest.mark.parametrize("do", ["discard", "discard_for_good"])
    def test_can_no_longer_be_deleted_once_it_is_confirmed(self, do: str) -> None:
        apply(instance_with_form())

        response = press(mailed_link(), do)

        assert response.status_code == 410
        assert Application.objects.count() == 1
