"""A table without rows on a row's page says so, and what to do about it to people who may."""

from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.models import Learner
from backoffice.inlines import ScopedInline
from backoffice.tests.staff_client import staff_request
from cohorts.admin.courses import OptionInline

from .small_demo import MINE, SignIn, person

NOBODY = "No guardian is known, so mail about the learner goes to the learner&#x27;s own address alone."
HELP = "Add one here."


def inlines() -> set[type[Any]]:
    return {
        inline
        for page in admin.site._registry.values()
        for inline in page.get_inlines(staff_request(person("superuser")), page.model())
    }


@pytest.fixture
def alone(world: None, db: None) -> Learner:
    return Learner.objects.filter(workspace__slug=MINE, guardianships=None, merged_into=None).earliest("pk")


class TestATableWithoutRows:
    def test_says_something_whatever_it_lists(self, world: None, db: None) -> None:
        found = inlines()

        assert OptionInline in found
        assert {
            inline for inline in found if issubclass(inline, ScopedInline) and not getattr(inline, "empty", "")
        } == set()

    @pytest.mark.parametrize(("role", "is_helped"), [("viewer", False), ("admin", True)])
    def test_says_what_to_do_to_people_who_may(
        self, role: str, is_helped: bool, alone: Learner, sign_in: SignIn
    ) -> None:
        page = sign_in(role).get(reverse("admin:accounts_learner_change", args=[alone.pk])).content.decode()

        assert (NOBODY in page, HELP in page) == (True, is_helped)

    def test_says_nothing_once_it_has_rows(self, sign_in: SignIn) -> None:
        """Negative control."""
        learner = Learner.objects.filter(workspace__slug=MINE, guardianships__isnull=False).earliest("pk")

        page = sign_in("admin").get(reverse("admin:accounts_learner_change", args=[learner.pk])).content.decode()

        assert NOBODY not in page
