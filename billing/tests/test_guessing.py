from typing import Any

import pytest
from django.test import RequestFactory

from billing.discounts.guessing import refuse_guessing
from billing.errors import TooManyCodes, VoucherNotAccepted

pytestmark = pytest.mark.django_db
HERE = "192.0.2.1"
ELSEWHERE = "198.51.100.1"


def type_code(code: str = "WRONG-CODE", *, principal: str = "ana", at: str = HERE, answer: Any = None) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR=at)
    with refuse_guessing(request, principal=principal, code=code):
        if answer is not None:
            raise answer


class TestGuessing:
    def test_is_refused_after_as_many_wrong_codes_as_are_allowed(self, settings: Any) -> None:
        settings.VOUCHER_TRIES_PER_HOUR = 2

        for _ in range(2):
            with pytest.raises(VoucherNotAccepted):
                type_code(answer=VoucherNotAccepted())

        for whoever in ({}, {"at": ELSEWHERE}, {"principal": "ben"}):
            with pytest.raises(TooManyCodes):
                type_code(**whoever)
        type_code(principal="ben", at=ELSEWHERE)

    def test_is_no_code_that_was_accepted_and_none_whose_purchase_failed_for_another_reason(
        self, settings: Any
    ) -> None:
        settings.VOUCHER_TRIES_PER_HOUR = 1

        for _ in range(2):
            type_code()
            with pytest.raises(LookupError):
                type_code(answer=LookupError())

        type_code()

    def test_is_not_what_leaves_the_code_empty(self, settings: Any) -> None:
        settings.VOUCHER_TRIES_PER_HOUR = 0

        type_code("  ")
