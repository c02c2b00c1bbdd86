import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page

from tests.journeys.showing import Show, a_show

from .small_demo import SignIn, person, small_demo


@pytest.fixture(scope="session")
def folder_of_the_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small_demo"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[None]:
    with small_demo(django_db_blocker, folder_of_the_demo):
        yield


@pytest.fixture(scope="module")
def show() -> Iterator[Show]:
    with a_show() as shown:
        yield shown


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page in a browser, for all tests of a module."""
    context = browser.new_context(reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.fixture
def sign_in(world: None, db: None) -> SignIn:
    def signed_in(role: str) -> Client:
        client = Client()
        client.force_login(person(role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in
