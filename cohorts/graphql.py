"""GraphQL for families, authenticated by their session: the courses that REST shows them."""

from typing import Any

import strawberry
from strawberry import Info

from accounts.graphql.doors import ForFamilies, user_of
from core.clock import utc_now
from core.graphql.shapes import body, checked, shape
from core.graphql.siblings import tie

from .api.serializers.packages import (
    BookedSerializer,
    BookedSessionSerializer,
    BookSessionsBody,
    PackageDetailSerializer,
    ProgressSerializer,
)
from .learning.booking import book_sessions, cancel_booking
from .queries import get_package_for, packages_of


@shape(BookedSessionSerializer)
class BookedSession:
    """The meeting in which a step holds a seat."""


@shape(ProgressSerializer)
class CourseStepProgress:
    """The progress of a package with one step."""


@shape(PackageDetailSerializer)
class CoursePackage:
    """A course of a family member, with the progress of each step."""


@shape(BookedSerializer)
class CourseBooking:
    """What was booked: by choice, and because a step left none."""


@body(BookSessionsBody)
class SessionChoices:
    """The sessions to book, one for each step that leaves a choice."""


@strawberry.type
class CoursesQuery:
    """The courses of the signed-in user, and of the learners they act for."""

    @strawberry.field(
        extensions=[ForFamilies()], description="The courses you and your children have, newest first. By session."
    )
    def my_course_packages(self, info: Info) -> list[CoursePackage]:
        packages: list[Any] = list(packages_of(user_of(info)))
        return packages

    @strawberry.field(extensions=[ForFamilies()], description="One of them. By session.")
    def my_course_package(self, info: Info, package_id: int) -> CoursePackage:
        return get_package_for(user=user_of(info), package_id=package_id)  # type: ignore[return-value]


@strawberry.type
class CoursesMutation:
    """Booking for the signed-in user, and for the learners they act for."""

    @strawberry.mutation(
        extensions=[ForFamilies()],
        description="Book the chosen sessions, and those of steps that leave no choice: all or none. By session.",
    )
    def book_course_sessions(self, info: Info, package_id: int, input: SessionChoices) -> CourseBooking:
        choices = checked(BookSessionsBody, input).chosen()
        package = get_package_for(user=user_of(info), package_id=package_id)
        booked = book_sessions(package_id=package.pk, selections=choices, now=utc_now())
        tie(booked.booked)
        return booked  # type: ignore[return-value]

    @strawberry.mutation(
        extensions=[ForFamilies()], description="Give a booked session back, to choose another later. By session."
    )
    def cancel_course_session(self, info: Info, package_id: int, step_id: int) -> CourseStepProgress:
        package = get_package_for(user=user_of(info), package_id=package_id)
        return cancel_booking(package_id=package.pk, step_id=step_id, now=utc_now())  # type: ignore[return-value]
