from django.urls import path

from .pages import passkeys, second_factor, sign_ins
from .pages.exports import show_export_file

STAFF = "accounts/staff"

urlpatterns = [
    path("exports/<str:token>", show_export_file, name="export-file"),
    path(f"{STAFF}/sign-ins", sign_ins.show_sign_ins, name="staff-sign-ins"),
    path(f"{STAFF}/sign-ins/end", sign_ins.sign_out_elsewhere, name="staff-sign-ins-end"),
    path(f"{STAFF}/sign-ins/<number:sign_in_id>/end", sign_ins.sign_out_there, name="staff-sign-in-end"),
    path(f"{STAFF}/passkeys/new", passkeys.add, name="staff-passkey"),
    path(f"{STAFF}/passkeys/<number:passkey_id>/remove", passkeys.remove, name="staff-passkey-remove"),
    path(f"{STAFF}/second-factor", second_factor.ask_for_second_factor, name="staff-second-factor"),
    path(f"{STAFF}/second-factor/app", second_factor.set_up_app, name="staff-app"),
    path(f"{STAFF}/second-factor/codes", second_factor.renew_codes, name="staff-recovery-codes"),
    path(f"{STAFF}/second-factor/off", second_factor.turn_off, name="staff-second-factor-off"),
]
