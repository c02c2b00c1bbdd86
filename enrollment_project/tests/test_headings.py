"""Every back-office page is headed with what it is about: a row by whom and what, another page by its own name."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from enrollment_project.dashboard.navigation import every_entry, path_of
from tests.architecture.own_code import own_models

from .matrix import Caller, add_rows, browser, own_ways
from .small_demo import ADMINS, SignIn, my_row_of, url

pytestmark = pytest.mark.walk

# Models whose rows are messages of machines or of the doctor, which have no other name than an id.
NAMED_BY_AN_ID = {"finding", "idempotencyrecord", "outboxevent", "partnerevent", "stripeevent", "webhookdelivery"}
OK = 200


def heading_of(page: str) -> list[tuple[str, str]]:
    """Return the steps of the trail, each with its link."""
    found = re.search(r"<h1\b.*?</h1>", page, re.DOTALL)
    steps = (
        re.findall(r'<(?:a|span) class="align-middle inline-block leading-5([^>]*)>(.*?)</', found[0]) if found else []
    )
    links = [re.search(r'href="([^"]*)"', attributes) for attributes, _ in steps]
    return [(unescape(text), link[1] if link else "") for (_, text), link in zip(steps, links, strict=True)]


def title_of(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    return " ".join(unescape(found[1]).split()) if found else ""


def ids_in(text: str) -> list[str]:
    """Return what in the text names a row by an id: its CUID, or the name of a kind of row and a number."""
    kinds = {str(model._meta.verbose_name) for model in own_models()} | {"object", "seat", "exit", "place"}
    named = re.findall(rf"\b(?:{'|'.join(sorted(kinds))}) \(?\d+\b(?!-)", text, re.IGNORECASE)
    return [*named, *re.findall(r"\bc[a-z0-9]{23}\b", text)]


def opened(client: Client, address: str) -> str:
    answer = client.get(address)
    is_page = answer.status_code == OK and not answer.streaming and "text/html" in answer["Content-Type"]
    return answer.content.decode() if is_page else ""


class TestThePageOfARow:
    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_is_headed_with_whom_and_what_it_is_about(self, model_admin: Any, sign_in: SignIn) -> None:
        row = my_row_of(model_admin)
        client = sign_in("superuser")

        shown, history = (opened(client, url(model_admin, view, row.pk)) for view in ("change", "history"))

        (*_, (name, link)) = heading_of(shown)
        assert heading_of(history)[-2:] == [(name, link), ("History", "")]
        assert link == url(model_admin, "change", row.pk)
        assert title_of(shown).lower().startswith(name.lower())
        assert title_of(history).lower().startswith(f"{name} | history".lower())
        if model_admin.opts.model_name not in NAMED_BY_AN_ID:
            assert ids_in(name) == []

    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("Enrollment cg3tvkmpdo472ogtrkbxy6xr", ["cg3tvkmpdo472ogtrkbxy6xr"]),
            ("Idle seat 1", ["Idle seat 1"]),
            ("ReviewReason object (5)", ["object (5"]),
            ("Learner 51 into 52", ["Learner 51"]),
            ("Elena Rivera, step 2 at Circuit Works", []),
        ],
    )
    def test_would_be_caught_with_an_id(self, text: str, ids: list[str]) -> None:
        """Negative control."""
        assert ids_in(text) == ids


class TestAnotherPage:
    def test_is_headed_with_its_own_name(self, world: None, db: None) -> None:
        add_rows()
        client = browser(Caller.SUPERUSER)
        sidebar = {path_of(entry): entry.title for entry in every_entry() if not entry.is_list}

        wrong = {}
        seen = set()
        for way in own_ways():
            page = opened(client, way.address)
            if not (trail := heading_of(page)) or way.route == "index":
                continue
            seen.add(way.route)
            own = next((title for path, title in sidebar.items() if way.address.startswith(path)), None)
            name, link = trail[-1]
            if own is not None:
                is_right = name == own and link in sidebar and title_of(page).startswith(f"{own} |")
            else:
                is_right = link == "" and name.lower() in title_of(page).lower()
            if not is_right:
                wrong[way.address] = (trail, title_of(page))

        assert wrong == {}
        assert seen >= {"partners_provider_pipeline", "enrollments_enrollment_review", "status", "list-settings"}

    @pytest.mark.parametrize("entry", [entry for entry in every_entry() if not entry.is_list])
    def test_leads_to_where_the_sidebar_leads(self, entry: Any, sign_in: SignIn) -> None:
        trail = heading_of(opened(sign_in("superuser"), path_of(entry)))

        assert trail[-1] == (entry.title, path_of(entry))
        assert entry.model._meta.verbose_name_plural.lower() not in {title.lower() for title, _ in trail[1:]}
