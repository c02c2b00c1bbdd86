"""Who calls the students' endpoints: somebody signed in whose mailbox is proven. API keys open none of them."""

from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.authentication import StudentSession
from accounts.api.permissions import IsProvenPerson
from accounts.models import User
from accounts.principals import person_of


class StudentView(APIView):
    """For students and guardians, by their session."""

    authentication_classes = [StudentSession]
    permission_classes = [IsProvenPerson]


def user_of(request: Request) -> User:
    """The person who calls."""
    return person_of(request).user
