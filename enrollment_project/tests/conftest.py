from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from .small_demo import SignIn, person, small_demo


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with small_demo(django_db_blocker, families=9):
        yield


@pytest.fixture
def sign_in(world: None, db: None) -> SignIn:
    def signed_in(role: str) -> Client:
        client = Client()
        client.force_login(person(role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in
