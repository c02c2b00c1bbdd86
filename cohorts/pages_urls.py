from django.urls import path

from .pages import calendar, catalog, enrolling, mine, success, wizard

urlpatterns = [
    path("courses", catalog.show_catalog, name="courses"),
    path("courses/enrolled", success.show_enrolled, name="course-enrolled"),
    path("courses/<str:code>", catalog.show_course, name="course"),
    path("courses/<str:code>/cohorts/<number:cohort_id>/enroll", enrolling.enroll, name="course-enroll"),
    path("courses/<str:code>/cohorts/<number:cohort_id>/wait", enrolling.wait, name="course-wait"),
    path("courses/<str:code>/cohorts/<number:cohort_id>/left", enrolling.leave_payment, name="course-leave-payment"),
    path("my/courses", mine.show_my_courses, name="my-courses"),
    path("my/courses/<number:package_id>/book", wizard.book, name="course-book"),
    path("my/courses/<number:package_id>/steps/<number:step_id>", mine.change_session, name="course-change"),
    path("my/courses/<number:package_id>/steps/<number:step_id>/cancel", mine.cancel_session, name="course-cancel"),
    path("my/calendar", mine.share_calendar, name="share-calendar"),
    path("my/sessions/<number:progress_id>.ics", calendar.show_session, name="session-ics"),
    path("calendar/<str:token>.ics", calendar.show_feed, name="calendar-feed"),
    path("my/waiting/<number:entry_id>/leave", enrolling.leave_line, name="waitlist-leave"),
]
