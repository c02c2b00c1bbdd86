"""The pages that the `type` of every problem of the API links to."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from core.errors import DomainError
from enrollment_project.openapi import PROBLEMS
from enrollment_project.problem_types import list_problem_types

pytestmark = pytest.mark.django_db


def refusals(base: type[DomainError] = DomainError) -> set[type[DomainError]]:
    return {base}.union(*(refusals(error) for error in base.__subclasses__()))


class TestTheTypeOfAProblem:
    def test_leads_to_a_page_that_says_what_to_do(self, client: Client) -> None:
        answer = client.get("/api/decisions")
        document = answer.json()

        page = client.get(document["type"].removeprefix(settings.PUBLIC_URL))

        assert page.status_code == 200
        assert document["code"] in page.content.decode()
        assert "Authorization: Bearer" in page.content.decode()

    @pytest.mark.parametrize("code", sorted({error.code for error in refusals()}))
    def test_is_there_for_each_code_that_use_cases_refuse_with(self, client: Client, code: str) -> None:
        assert client.get(f"/problems/{code}").status_code == 200

    def test_is_there_for_each_code_written_in_the_code_of_the_edges(self) -> None:
        folders = [settings.BASE_DIR / name for name in ("core", "accounts/api", "cohorts/api")]
        files = [path for folder in folders for path in Path(folder).rglob("*.py") if "tests" not in path.parts]
        told = re.compile(r'status=\d{3},\s*code="(\w+)"|^    code = "(\w+)"', re.MULTILINE)
        written = {a or b for path in files for a, b in told.findall(path.read_text())}

        known = {kind.code for kind in list_problem_types()}

        assert {"database_busy", "body_too_large", "scope_missing"} <= written
        assert written - known == set()
        assert {code for code, _ in PROBLEMS.values()} - known == set()

    @pytest.mark.parametrize("code", ["nonsense", "NOT_FOUND", "not_found%20"])
    def test_is_not_there_for_any_other(self, client: Client, code: str) -> None:
        assert client.get(f"/problems/{code}").status_code == 404

    def test_stands_on_the_list_of_all(self, client: Client) -> None:
        page = client.get("/problems").content.decode()

        assert all(f'href="/problems/{kind.code}"' in page for kind in list_problem_types())

    def test_says_what_it_means_and_what_to_do(self) -> None:
        for kind in list_problem_types():
            assert kind.title
            assert kind.remedy
            assert all(400 <= status <= 503 for status in kind.statuses), kind
