"""The limit's statement behind the platform's own front end: the share of the limit that HTTP, Django, and DRF leave.

A request passes through the platform's middleware, API key check, and rate limit, and its body is parsed. Nothing is
validated, no rule is evaluated, and no model instance is created: the view runs `limit.sql` and returns the answer that
it stored. No view written in Python can store the same rows faster.
"""

import json
import re
from functools import cache
from typing import Any

from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.limit import SCRIPT
from enrollments.models import DistrictSeatAllocation, ProgramInstance


class StatementView(APIView):
    required_scopes = {"POST": "decisions:write"}

    def post(self, request: Request) -> Response:
        values = {"n": request.headers["Idempotency-Key"], "actor": str(request.user)}
        with connection.cursor() as cursor:
            cursor.execute(_statement(), values | _ids(request.user.workspace_id))
            (answer,) = cursor.fetchone()
        return Response(json.loads(answer))


@cache
def _statement() -> str:
    """`limit.sql` without pgbench's random number; each `:name` becomes a psycopg parameter."""
    text = SCRIPT.read_text()
    statement = text[text.index("WITH request") :].rstrip().removesuffix(";")
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", statement) + " RETURNING response_body"


@cache
def _ids(workspace_id: int) -> dict[str, Any]:
    instance = ProgramInstance.objects.get(workspace=workspace_id, is_default=True)
    allocation = DistrictSeatAllocation.objects.filter(district__workspace=workspace_id).earliest("pk")
    return {
        "workspace_id": workspace_id,
        "instance_id": instance.pk,
        "instance_cuid": instance.cuid,
        "allocation_id": allocation.pk,
        "district_id": allocation.district_id,
    }
