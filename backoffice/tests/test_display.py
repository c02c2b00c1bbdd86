from django.http import QueryDict

from accounts.models import Learner
from backoffice.display import list_url


class TestTheAddressOfAList:
    def test_asks_for_what_it_was_told_whatever_is_in_it(self) -> None:
        _, _, query = list_url(Learner, q="Ann & Ben + 1", about="payment:12").partition("?")

        assert QueryDict(query).dict() == {"q": "Ann & Ben + 1", "about": "payment:12"}

    def test_has_no_query_where_nothing_is_asked(self) -> None:
        assert list_url(Learner) == "/admin/accounts/learner/"
