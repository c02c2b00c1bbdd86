"""Operations that will end announce it early enough."""

import datetime as dt

import pytest
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from core.http.sunset import sunset

SPRING = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)
AUTUMN = dt.datetime(2027, 9, 1, tzinfo=dt.UTC)
GUIDE = "https://example.org/docs/api#changes"


class Old(APIView):
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        return Response({"old": True})


@sunset(since=SPRING, on=AUTUMN, instead=GUIDE)
class Going(Old):
    pass


class TestAViewThatWillGo:
    def test_says_since_when_until_when_and_what_instead(self) -> None:
        answer = Going.as_view()(APIRequestFactory().get("/"))
        refusal = Going.as_view()(APIRequestFactory().post("/"))

        for told in (answer, refusal):
            assert told["Deprecation"] == "@1803859200"
            assert told["Sunset"] == "Wed, 01 Sep 2027 00:00:00 GMT"
            assert told["Link"] == f'<{GUIDE}>; rel="sunset"'
        assert (answer.status_code, refusal.status_code) == (200, 405)

    def test_is_deprecated_in_the_document(self) -> None:
        routes = [path("api/going", Going.as_view()), path("api/old", Old.as_view())]

        paths = SchemaGenerator(patterns=routes).get_schema(public=True)["paths"]

        assert paths["/api/going"]["get"]["deprecated"] is True
        assert "deprecated" not in paths["/api/old"]["get"]

    def test_leaves_the_others_alone(self) -> None:
        assert "Sunset" not in Old.as_view()(APIRequestFactory().get("/"))

    def test_is_announced_half_a_year_before(self) -> None:
        with pytest.raises(ValueError, match="180 days"):
            sunset(since=SPRING, on=SPRING + dt.timedelta(days=179), instead=GUIDE)
