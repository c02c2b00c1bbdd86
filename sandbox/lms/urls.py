"""Partners' paths: the API under /lms/<slug>/enrollments, and the course page."""

from django.urls import path

from sandbox.lms import api, course_page

urlpatterns = [
    path("lms/<slug:slug>/enrollments", api.endpoint(get=api.list_enrollments, post=api.enroll)),
    path("lms/<slug:slug>/enrollments/<str:ref>", api.endpoint(get=api.retrieve, delete=api.withdraw)),
    path("lms/<slug:slug>/enrollments/<str:ref>/progress", course_page.take_half),
    path("lms/<slug:slug>/enrollments/<str:ref>/complete", course_page.complete),
    path("lms/<slug:slug>/launch/<str:ref>", course_page.show),
]
