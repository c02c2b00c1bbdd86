"""A code that several browsers send at the same moment lets one of them in."""

import pytest
from django.test import RequestFactory

from accounts import second_factors
from accounts.models import Membership
from accounts.second_factors import check_second_factor
from backoffice.tests.staff_client import member_with_password
from backoffice.tests.test_second_factors import present_code, set_up
from core.clock import utc_now
from tests.processes import at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def member() -> Membership:
    return member_with_password()


def show(member: Membership, code: str) -> str | None:
    request = RequestFactory().post("/")
    request.user = member.user
    return check_second_factor(user=member.user, code=code, request=request, now=utc_now())


class TestOneCode:
    @pytest.mark.parametrize("kind", ["app", "recovery"])
    def test_lets_one_browser_in(self, member: Membership, kind: str) -> None:
        codes = set_up(member.user)
        code = present_code(member.user) if kind == "app" else codes[0]

        answers = at_once(*[lambda: show(member, code)] * 3)

        assert sorted(map(str, answers)) == ["None", "None", kind]

    def test_without_the_claim_lets_all_of_them_in(self, member: Membership, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        set_up(member.user)
        code = present_code(member.user)
        monkeypatch.setattr(second_factors, "_claim_step", lambda factor_id, step: True)

        answers = at_once(*[lambda: show(member, code)] * 3)

        assert answers == ["app"] * 3
