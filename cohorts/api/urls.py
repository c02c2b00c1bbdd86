from django.urls import include, path

from .catalog import BrowseView, CohortSessionsView, CohortsView, CourseSessionsView, CourseView
from .enrolling import EnrollView, SessionView, WaitlistView
from .packages import (
    BookSessionsView,
    CalendarFeedView,
    CancelStepView,
    PackageListView,
    PackageView,
    SessionListView,
    SwapStepView,
    UnbookedStepsView,
)

courses = [
    path("browse", BrowseView.as_view(), name="api-courses"),
    path("<str:code>", CourseView.as_view(), name="api-course"),
    path("<str:code>/sessions", CourseSessionsView.as_view(), name="api-course-sessions"),
    path("<str:code>/cohorts", CohortsView.as_view(), name="api-cohorts"),
    path("<str:code>/cohorts/<number:cohort_id>/sessions", CohortSessionsView.as_view(), name="api-cohort-sessions"),
    path("<str:code>/cohorts/<number:cohort_id>/enroll", EnrollView.as_view(), name="api-cohort-enroll"),
    path("<str:code>/cohorts/<number:cohort_id>/waitlist", WaitlistView.as_view(), name="api-cohort-waitlist"),
]

mine = [
    path("course-packages", PackageListView.as_view(), name="api-packages"),
    path("course-packages/<number:package_id>", PackageView.as_view(), name="api-package"),
    path("course-packages/<number:package_id>/unbooked-steps", UnbookedStepsView.as_view(), name="api-unbooked-steps"),
    path("course-packages/<number:package_id>/book-sessions", BookSessionsView.as_view(), name="api-book-sessions"),
    path(
        "course-packages/<number:package_id>/steps/<number:step_id>/cancel",
        CancelStepView.as_view(),
        name="api-step-cancel",
    ),
    path(
        "course-packages/<number:package_id>/steps/<number:step_id>/swap", SwapStepView.as_view(), name="api-step-swap"
    ),
    path("course-sessions", SessionListView.as_view(), name="api-course-sessions-mine"),
    path("calendar-feed", CalendarFeedView.as_view(), name="api-calendar-feed"),
]

urlpatterns = [
    path("course-programs/", include(courses)),
    path("enrollment/session/<str:session_id>", SessionView.as_view(), name="api-enrollment-session"),
    path("students/me/", include(mine)),
]
