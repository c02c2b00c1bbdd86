import pytest
from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.request import Request

from core.http.pagination import array_page, page_of
from core.models import SharedCounter

pytestmark = pytest.mark.django_db


class CounterSerializer(serializers.Serializer[SharedCounter]):
    key = serializers.CharField()


class TestAListInPages:
    def test_is_refused_without_an_order(self) -> None:
        request = Request(RequestFactory().get("/"))

        with pytest.raises(ValueError, match="no order"):
            array_page(request, SharedCounter.objects.all(), CounterSerializer)

    @pytest.mark.sqlite
    def test_says_how_many_rows_there_are(self) -> None:
        request = Request(RequestFactory().get("/?limit=1"))

        page = array_page(request, SharedCounter.objects.order_by("pk"), CounterSerializer)

        assert (page.data, page.headers["X-Total-Count"]) == ([], "0")

    @pytest.mark.parametrize("asked", ["", "0", "-1", "x", "１", "0_1", "01", "9" * 30])
    def test_begins_with_its_first_page_whatever_else_is_asked(self, asked: str) -> None:
        rows = SharedCounter.objects.order_by("pk")

        assert page_of(RequestFactory().get("/", {"page": asked}), rows, size=10).number == 1
