from django.urls import path

from . import apply_pages, district_pages, idle_pages, inquiry_pages, leave_pages, pages

urlpatterns = [
    path("enroll/return", pages.show_return, name="enroll-return"),
    path("enroll/cancelled", pages.show_cancelled, name="enroll-cancelled"),
    path("programs/<path:code>/<cuid:cuid>/apply", apply_pages.apply, name="apply"),
    path("programs/<path:code>/<cuid:cuid>/apply/sent", apply_pages.show_sent, name="apply-sent"),
    path("applications/<str:token>", apply_pages.show_application, name="application"),
    path("my/applications/<cuid:cuid>/confirm", apply_pages.confirm_here, name="application-confirm"),
    path("questions/<str:token>", inquiry_pages.show_inquiry, name="inquiry"),
    path("seats/<str:token>", idle_pages.show_idle_seat, name="idle-seat"),
    path("districts/emails/<str:token>", district_pages.show_district_emails, name="district-emails"),
    path("my/enrollments/<cuid:cuid>/leave", leave_pages.leave, name="leave"),
    path("my/enrollments/<cuid:cuid>/refund", leave_pages.ask_refund, name="ask-refund"),
    path("my/leaving/<cuid:cuid>", leave_pages.show_quote, name="leaving"),
]
