from django.urls import path

from .pages import second_factor
from .pages.exports import show_export_file

urlpatterns = [
    path("exports/<str:token>", show_export_file, name="export-file"),
    path("accounts/staff/sign-ins", second_factor.show_sign_ins, name="staff-sign-ins"),
    path("accounts/staff/second-factor", second_factor.ask_for_second_factor, name="staff-second-factor"),
    path("accounts/staff/second-factor/app", second_factor.set_up_app, name="staff-app"),
    path("accounts/staff/second-factor/codes", second_factor.renew_codes, name="staff-recovery-codes"),
    path("accounts/staff/second-factor/off", second_factor.turn_off, name="staff-second-factor-off"),
]
