from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of

from ..certificate_paper import paper_url, verification_url
from ..models import Certificate
from ..queries import get_certificate


class CertificateSerializer(serializers.Serializer[Certificate]):
    """A certificate as integrators see it."""

    serial = serializers.CharField(help_text="Its number, as printed on it.")
    issuedAt = serializers.DateTimeField(source="issued_at")
    url = serializers.SerializerMethodField(help_text="The PDF, while the certificate is valid.")
    verificationUrl = serializers.SerializerMethodField(help_text="Where anybody can check it.")
    revokedAt = serializers.DateTimeField(source="revoked_at", allow_null=True)

    def get_url(self, certificate: Certificate) -> str:
        return paper_url(certificate)

    def get_verificationUrl(self, certificate: Certificate) -> str:
        return verification_url(certificate)


class CertificateView(APIView):
    """The certificate of an enrollment."""

    required_scopes: Any = {"GET": "enrollments:read"}

    @extend_schema(tags=["Enrollments"], operation_id="get_certificate", responses=CertificateSerializer)
    def get(self, request: Request, enrollment_id: str) -> Response:
        """Return the latest certificate, valid or revoked; 404 `certificate_not_found` if none was issued yet."""
        workspace_id = principal_of(request).workspace_id
        certificate = get_certificate(workspace_id=workspace_id, enrollment_cuid=enrollment_id)
        return Response(CertificateSerializer(certificate).data)
