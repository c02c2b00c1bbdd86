"""A tiny API for these tests: the project's own rules (settings, middleware, handlers) with nothing behind them."""

from django.http import HttpRequest
from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.clock import utc_now
from core.errors import DomainError, FieldError, Invalid, NotFound, Unavailable
from core.http.idempotency import idempotent
from core.models import IdempotencyRecord


class NoteInput(serializers.Serializer):
    text = serializers.CharField(max_length=10)
    tags = serializers.ListField(child=serializers.CharField(), required=False)


class EchoView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        return Response({"query": request.query_params})

    def post(self, request: Request) -> Response:
        return Response({"body": request.data})


class ValidatedView(EchoView):
    def post(self, request: Request) -> Response:
        note = NoteInput(data=request.data)
        note.is_valid(raise_exception=True)
        return Response(note.validated_data)


class CountedView(EchoView):
    """Each effect is its own row; `fail` asks for a refusal after the effect."""

    @idempotent
    def post(self, request: Request) -> Response:
        effects = IdempotencyRecord.objects.filter(scope="effect")
        now = utc_now()
        IdempotencyRecord.objects.create(
            scope="effect", key=str(effects.count() + 1), fingerprint="", locked_until=now, created_at=now
        )
        if request.data.get("fail"):
            raise DomainError("No.")
        return Response({"effects": effects.count(), "at": now}, status=201)


REFUSALS = {
    "not-found": lambda: NotFound("No such thing."),
    "invalid": lambda: Invalid("Wrong.", errors=(FieldError("a.b", "wrong", "Not this."),)),
    "unavailable": lambda: Unavailable("Stripe does not answer."),
    "with-more": lambda: DomainError("Moved.", current_status="approved"),
    "bug": lambda: RuntimeError("secret detail"),
}


class RefusingView(EchoView):
    def get(self, request: Request, kind: str = "") -> Response:
        raise REFUSALS[kind]()


def broken_page(request: HttpRequest) -> None:
    raise RuntimeError("secret detail")


handler400 = "enrollment_project.pages.bad_request"
handler403 = "enrollment_project.pages.forbidden"
handler404 = "enrollment_project.pages.not_found"
handler500 = "enrollment_project.pages.server_error"

urlpatterns = [
    path("api/echo", EchoView.as_view()),
    path("api/validated", ValidatedView.as_view()),
    path("api/counted", CountedView.as_view()),
    path("api/refuse/<kind>", RefusingView.as_view()),
]
