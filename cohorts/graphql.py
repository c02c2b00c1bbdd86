"""What families ask GraphQL for by their session: the courses that REST shows them."""

from typing import Any

import strawberry
from strawberry import Info

from accounts.graphql.doors import ForFamilies, user_of
from core.graphql.shapes import shape

from .api.serializers.packages import BookedSessionSerializer, PackageDetailSerializer, ProgressSerializer
from .queries import get_package_for, packages_of


@shape(BookedSessionSerializer)
class BookedSession:
    """The meeting in which a step holds a seat."""


@shape(ProgressSerializer)
class CourseStepProgress:
    """How far a package is with one step."""


@shape(PackageDetailSerializer)
class CoursePackage:
    """A course that somebody of the family has, with the progress of each step."""


@strawberry.type
class CoursesQuery:
    """The courses of whoever is signed in, and of the learners they act for."""

    @strawberry.field(
        extensions=[ForFamilies()], description="The courses you and your children have, newest first. By session."
    )
    def my_course_packages(self, info: Info) -> list[CoursePackage]:
        packages: list[Any] = list(packages_of(user_of(info)))
        return packages

    @strawberry.field(extensions=[ForFamilies()], description="One of them. By session.")
    def my_course_package(self, info: Info, package_id: int) -> CoursePackage:
        return get_package_for(user=user_of(info), package_id=package_id)  # type: ignore[return-value]
