from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from .factories import MembershipFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Any:
    return MembershipFactory(workspace=WorkspaceFactory(name="Lakeside Learning", slug="lakeside-hq")).user


@pytest.mark.parametrize(
    "password",
    [
        "Enrollment-2026!",
        "school+district",
        "LAKESIDE!2026!!",
        "lakeside2026hq!",
        "Welcome.Student.1",
        "adm1n admin 2026",
    ],
)
def test_a_password_of_words_of_the_work_is_refused(member: Any, password: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_password(password, member)

    assert "password_foreseeable" in [error.code for error in refused.value.error_list]


@pytest.mark.parametrize(
    "password", ["school of thirsty camels", "korrekt pferd batterie", "1f!9#-_~%%0/§$77", "x" * 128]
)
def test_other_passwords_are_not(member: Any, password: str) -> None:
    validate_password(password, member)


def test_names_of_other_workspaces_are_words_like_any(member: Any) -> None:
    WorkspaceFactory(name="Hillcrest", slug="hillcrest-hq")

    validate_password("hillcrest-2026", member)
