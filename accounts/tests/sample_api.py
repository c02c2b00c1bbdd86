"""Two views for the tests of keys and scopes."""

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class ScopedView(APIView):
    required_scopes = {"GET": "decisions:read", "POST": "decisions:write"}

    def get(self, request: Request) -> Response:
        return Response({"caller": str(request.user), "workspace": request.user.workspace_id})

    def post(self, request: Request) -> Response:
        return Response({})


class ForgetfulView(APIView):
    def get(self, request: Request) -> Response:
        return Response({"secret": True})


urlpatterns = [path("api/scoped", ScopedView.as_view()), path("api/forgetful", ForgetfulView.as_view())]
