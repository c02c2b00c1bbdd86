from django.urls import path

from . import pages

urlpatterns = [
    path("enroll/return", pages.show_return, name="enroll-return"),
    path("enroll/cancelled", pages.show_cancelled, name="enroll-cancelled"),
    path("my/enrollments", pages.show_my_enrollments, name="my-enrollments"),
]
