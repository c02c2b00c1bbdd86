"""Partners and their pipeline: parse, call one use case, render."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.errors import Invalid, in_one_sentence
from core.http.cursors import CursorQuery, asked_page, find_page, page_document
from core.http.idempotency import TellOnce, idempotent

from ..pipeline import pipeline_of
from ..providers import change_provider, create_provider, pause_provider, resume_provider, rotate_webhook_secret
from ..queries import get_provider, list_providers
from .examples import CHANGE_PARTNER, CREATE_PARTNER
from .serializers import (
    NewProviderBody,
    NewProviderSerializer,
    PartnerSecretSerializer,
    PipelineSerializer,
    ProviderBody,
    ProviderPage,
    ProviderSerializer,
)

TAGS = ["Partners"]
_WORDS = {field.source: name for name, field in NewProviderBody().fields.items() if field.source}


@contextmanager
def _in_words_of_the_api() -> Iterator[None]:
    """Translate field names: a use case names a partner's fields as its rows do."""
    try:
        yield
    except Invalid as refusal:
        errors = tuple(replace(fault, field=_word_of(fault.field)) for fault in refusal.errors)
        raise Invalid(in_one_sentence(errors) or refusal.detail, errors=errors) from refusal


def _word_of(place: str) -> str:
    """Return the API's name for a field of a row, or for a position inside it."""
    field, dot, inside = place.partition(".")
    return f"{_WORDS.get(field, field)}{dot}{inside}"


class PartnerListView(APIView):
    """Partners, newest first."""

    required_scopes = {"GET": "partners:read", "POST": "partners:write"}

    @extend_schema(tags=TAGS, operation_id="list_partners", parameters=[CursorQuery], responses=ProviderPage)
    def get(self, request: Request) -> Response:
        asked = asked_page(request)
        found = find_page(list_providers(workspace_id=principal_of(request).workspace_id), asked)
        return Response(page_document(asked, found, ProviderSerializer(found.rows, many=True).data))

    @extend_schema(
        tags=TAGS,
        operation_id="create_partner",
        request=NewProviderBody,
        responses={201: NewProviderSerializer},
        examples=[CREATE_PARTNER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a partner. The response contains its webhook signing secret, this one time.

        409 `partner_slug_taken` if a partner already has this slug, in this workspace or another.
        """
        body = NewProviderBody(data=request.data)
        body.is_valid(raise_exception=True)
        with _in_words_of_the_api():
            provider = create_provider(
                workspace_id=principal_of(request).workspace_id, now=utc_now(), **body.validated_data
            )
        told = NewProviderSerializer(provider).data
        return TellOnce(told, once="webhookSecret", status=status.HTTP_201_CREATED)


class PartnerView(APIView):
    """One partner."""

    required_scopes = {"GET": "partners:read", "PATCH": "partners:write"}

    @extend_schema(tags=TAGS, operation_id="get_partner", responses=ProviderSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(ProviderSerializer(_find(request, slug)).data)

    @extend_schema(
        tags=TAGS,
        operation_id="change_partner",
        request=ProviderBody,
        responses=ProviderSerializer,
        examples=[CHANGE_PARTNER],
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Change the fields that are sent. The slug can't be changed. A `fieldMap` replaces the previous one as a
        whole, and unreadable messages from the partner are read again with it.
        """
        body = ProviderBody(data=request.data)
        body.is_valid(raise_exception=True)
        found = _find(request, slug)
        with _in_words_of_the_api():
            changed = change_provider(provider_id=found.pk, now=utc_now(), **body.validated_data)
        return Response(ProviderSerializer(changed).data)


class RotateSecretView(APIView):
    """A new secret for a partner's webhooks."""

    required_scopes = {"POST": "partners:write"}

    @extend_schema(tags=TAGS, operation_id="rotate_partner_secret", request=None, responses=PartnerSecretSerializer)
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Give the partner a new signing secret, shown this one time. The previous one stays valid for another day."""
        secret = rotate_webhook_secret(provider_id=_find(request, slug).pk, now=utc_now())
        return TellOnce({"webhookSecret": secret}, once="webhookSecret")


class PartnerActionView(APIView):
    """A change of a partner by one use case that needs no further input."""

    required_scopes = {"POST": "partners:write"}
    use_case: ClassVar[Callable[..., None]]

    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        type(self).use_case(provider_id=_find(request, slug).pk, now=utc_now())
        return Response(ProviderSerializer(_find(request, slug)).data)


@extend_schema_view(
    post=extend_schema(tags=TAGS, operation_id="pause_partner", request=None, responses=ProviderSerializer)
)
class PausePartnerView(PartnerActionView):
    """Send nobody to the partner until it is resumed; learners who are there stay. A repeated call changes nothing."""

    use_case = staticmethod(pause_provider)


@extend_schema_view(
    post=extend_schema(tags=TAGS, operation_id="resume_partner", request=None, responses=ProviderSerializer)
)
class ResumePartnerView(PartnerActionView):
    """Send learners to the partner again. Nobody counts as stuck because of the pause. Repeating it changes nothing."""

    use_case = staticmethod(resume_provider)


class PipelineView(APIView):
    """The progress of learners at the partners."""

    required_scopes = {"GET": "partners:read"}

    @extend_schema(tags=TAGS, operation_id="get_partner_pipeline", responses=PipelineSerializer)
    def get(self, request: Request) -> Response:
        """Return each partner's learners at each stage, how many complete, how long it takes, and who is stuck."""
        figures = pipeline_of(workspace_id=principal_of(request).workspace_id, now=utc_now())
        return Response(PipelineSerializer({"partners": figures}).data)


def _find(request: Request, slug: str) -> Any:
    return get_provider(workspace_id=principal_of(request).workspace_id, slug=slug)
