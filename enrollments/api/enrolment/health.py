"""The health check of the enrolment service and its database, for monitors."""

from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .serializers import ServiceHealth

SERVICE = "enrolment-service"


class EnrolmentHealthView(APIView):
    """Public, and without a rate limit: a monitor that is refused would raise an alarm."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []

    @extend_schema(
        tags=["Enrolment service"],
        operation_id="get_enrolment_service_health",
        responses={200: ServiceHealth, 503: ServiceHealth},
    )
    def get(self, request: Request) -> Response:
        """Report the state of the service and its database: 503 while the database does not respond."""
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError:
            return Response({"status": "unhealthy", "service": SERVICE, "database": "unavailable"}, status=503)
        return Response({"status": "healthy", "service": SERVICE, "database": "ok"})
