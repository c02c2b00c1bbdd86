"""A family at its browser, for the tests of the pages."""

from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import Guardian, Guardianship, Learner, User
from accounts.tests.factories import LearnerFactory
from cohorts.models import Cohort, StudentPackage
from cohorts.tests.callers import proven_user

PARENT = "parent@families.test"


def signed_in(email: str = PARENT) -> tuple[Client, User]:
    """Return a browser in which a code has proven this address."""
    user = proven_user(email)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client, user


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def child_of(cohort: Cohort, first_name: str = "Jane", email: str = PARENT) -> Learner:
    """Return a learner whose guardian has the parent's address."""
    learner = LearnerFactory(workspace=cohort.instance.workspace, first_name=first_name, last_name="Doe")
    guardian, _ = Guardian.objects.get_or_create(workspace=cohort.instance.workspace, email=email)
    Guardianship.objects.create(guardian=guardian, learner=learner)
    return learner


def course_url(name: str, cohort: Cohort) -> str:
    return reverse(name, args=[cohort.instance.program.code, cohort.pk])


def home(client: Client) -> str:
    """Return the family's home page."""
    return text(client.get(reverse("my-enrollments")))


def page_of(client: Client, package: StudentPackage) -> str:
    """Return the page of the enrollment that a course was bought with."""
    return text(client.get(reverse("my-enrollment", args=[package.enrollment.cuid])))
