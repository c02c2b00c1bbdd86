"""`POST /api/graphql`: the same callers, limits, problems, and idempotency as REST, for operations of the schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from graphql import GraphQLError
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from strawberry.types.graphql import OperationType

from accounts.api.authentication import ApiKeyAuthentication, StudentSession
from accounts.api.permissions import IsKnown
from accounts.principals import Principal
from core.clock import utc_now
from core.errors import DomainError, Invalid, invalid_field
from core.graphql.errors import error_document
from core.graphql.limits import MAX_BATCH, Reckoned, reckon, refuse_too_costly
from core.http.idempotency import AlreadyAnswered, Claim, claim_for, replay
from core.http.parsing import StrictJSONParser, parse_json, read_body
from core.http.throttling import count_further

from .schema import ITEMS, schema

Answer = dict[str, Any]


class OperationsParser(BaseParser):
    """JSON by the rules of StrictJSONParser: an operation, or a list of operations."""

    media_type = StrictJSONParser.media_type

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return parse_json(read_body(stream))


class DocumentTextField(serializers.CharField):
    """Text exactly as sent; unlike CharField, it rejects numbers."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class OperationBody(serializers.Serializer[Any]):
    """One operation. Several may be sent as a list and are answered together."""

    query = DocumentTextField(help_text="The document.")
    variables = serializers.DictField(required=False, allow_null=True)
    operationName = DocumentTextField(required=False, allow_null=True)


ANSWER = inline_serializer(
    "GraphQLAnswer",
    {
        "data": serializers.DictField(allow_null=True, required=False),
        "errors": serializers.ListField(child=serializers.DictField(), required=False),
    },
)


EXAMPLE = OpenApiExample(
    "The newest programs",
    value={
        "query": "query($first: Int!) { programs(first: $first) { edges { node { code } } } }",
        "variables": {"first": 5},
    },
    request_only=True,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """A document with its variables, and the cost and kind reckoned for it."""

    text: str
    name: str | None
    variables: dict[str, Any]
    reckoned: Reckoned


class Refused(Exception):
    """A change was refused; none of it may be kept."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__("refused")


class GraphQLView(APIView):
    """Reads and changes in one language, for API keys and for people who signed in."""

    authentication_classes = [ApiKeyAuthentication, StudentSession]
    permission_classes = [IsKnown]
    parser_classes = [OperationsParser]

    @extend_schema(
        tags=["GraphQL"], operation_id="graphql", request=OperationBody, responses={200: ANSWER}, examples=[EXAMPLE]
    )
    def post(self, request: Request) -> Response:
        """Execute an operation, or a list of up to 10 in order.

        The answer to a refused operation has status 200; its `errors` name the code and the status that REST answers in
        `extensions`. A refused change has changed nothing, and a list is refused as a whole if one of its operations
        asks for too much. Only a request that holds no operation at all gets a problem document.
        """
        sent = request.data
        bodies = sent if isinstance(sent, list) else [sent]
        if not 1 <= len(bodies) <= MAX_BATCH:
            raise invalid_field("body", "out_of_range", f"Send 1 to {MAX_BATCH} operations at a time.")
        count_further(request, operations=len(bodies) - 1)
        claim = claim_for(request)
        if isinstance(sent, list) and claim.key is not None:
            raise Invalid("An Idempotency-Key goes with one operation: send it by itself.")
        asked = [_body(each) for each in bodies]
        try:
            operations = [_read(each, request) for each in asked]
            refuse_too_costly(sum(each.reckoned.cost for each in operations))
        except DomainError as refusal:
            refused = {"errors": [error_document(GraphQLError(refusal.detail, original_error=refusal), request)]}
            return Response([refused] * len(bodies) if isinstance(sent, list) else refused)
        if isinstance(sent, list):
            return Response([_carry_out(each, request) for each in operations])
        return _carry_out_once(operations[0], claim, request)


def _body(sent: Any) -> dict[str, Any]:
    body = OperationBody(data=sent)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def _read(given: dict[str, Any], request: Request) -> Operation:
    variables = given.get("variables") or {}
    name = given.get("operationName")
    reckoned = reckon(given["query"], operation_name=name, variables=variables, items=ITEMS)
    if reckoned.is_introspection and not isinstance(request.user, Principal):
        raise NoIntrospection
    return Operation(given["query"], name, variables, reckoned)


class NoIntrospection(DomainError):
    """The schema is shown to API keys only, and the request was sent by somebody who signed in."""

    status = 403
    code = "graphql_introspection_refused"
    title = "The schema is shown to API keys only"


def _carry_out_once(operation: Operation, claim: Claim, request: Request) -> Response:
    """Answer the one operation of a request; a change is made once for each Idempotency-Key."""
    if not operation.reckoned.is_mutation:
        return Response(_execute(operation, request))
    try:
        with transaction.atomic():
            claim.take(utc_now())
            answer = _change(operation, request)
            claim.store(200, answer)
            return Response(answer)
    except AlreadyAnswered as before:
        return replay(before)
    except Refused as refused:
        return Response(refused.answer)


def _carry_out(operation: Operation, request: Request) -> Answer:
    """Execute one of several operations; a refused change leaves the others as they are."""
    if not operation.reckoned.is_mutation:
        return _execute(operation, request)
    try:
        with transaction.atomic():
            return _change(operation, request)
    except Refused as refused:
        return refused.answer


def _change(operation: Operation, request: Request) -> Answer:
    """Make the change. Raise Refused if it has errors, so that the transaction is rolled back."""
    answer = _execute(operation, request)
    if "errors" in answer:
        raise Refused(answer | {"data": None} if "data" in answer else answer)
    return answer


def _execute(operation: Operation, request: Request) -> Answer:
    """Return the answer, without `data` if the document does not fit the schema."""
    result = schema.execute_sync(
        operation.text,
        variable_values=operation.variables,
        context_value=request,
        operation_name=operation.name,
        allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
    )
    errors = [error_document(error, request) for error in result.errors or ()]
    if result.data is None and not any("path" in error for error in errors):
        return {"errors": errors}
    return {"data": result.data} | ({"errors": errors} if errors else {})
