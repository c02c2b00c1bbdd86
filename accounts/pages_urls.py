"""The parts of allauth that sign-in by code needs (no address book, no second way in), invitations, staff passwords."""

from allauth.account import views as allauth_views
from django.urls import path
from django.views.generic import RedirectView

from . import guardian_pages, language_pages, staff_pages
from .pages import ConfirmCodeView, RequestCodeView

to_code = RedirectView.as_view(pattern_name="account_request_login_code", query_string=True)

urlpatterns = [
    path("login/code/", RequestCodeView.as_view(), name="account_request_login_code"),
    path("login/code/confirm/", ConfirmCodeView.as_view(), name="account_confirm_login_code"),
    path("logout/", allauth_views.logout, name="account_logout"),
    path("inactive/", allauth_views.account_inactive, name="account_inactive"),
    path("language", language_pages.switch_language, name="switch-language"),
    # Guardians, who sign in by code.
    path("guardians/invitations/<str:token>", guardian_pages.show_invitation, name="guardian-invitation"),
    # Staff, who have a password.
    path("invitations/<str:token>", staff_pages.show_invitation, name="staff-invitation"),
    path("staff/password", staff_pages.ask_for_password, name="staff-password-forgotten"),
    path("staff/password/<number:user_id>/<str:token>", staff_pages.set_password, name="staff-password"),
    # allauth redirects to these by name.
    path("login/", to_code, name="account_login"),
    path("signup/", to_code, name="account_signup"),
]
