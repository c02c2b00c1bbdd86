"""Callers of the students' endpoints: signed-in users with a proven mailbox. API keys open none of them."""

from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.authentication import StudentSession
from accounts.api.permissions import IsProvenPerson
from accounts.models import User
from accounts.principals import person_of


class StudentView(APIView):
    """For students and guardians, authenticated by their session."""

    authentication_classes = [StudentSession]
    permission_classes = [IsProvenPerson]


def user_of(request: Request) -> User:
    """Return the user who calls."""
    return person_of(request).user
