from django.urls import path

from .guardians import GuardianInvitationView, GuardianListView, GuardianView

urlpatterns = [
    path("guardians", GuardianListView.as_view(), name="api-guardians"),
    path("guardians/<number:guardian_id>", GuardianView.as_view(), name="api-guardian"),
    path("guardians/<number:guardian_id>/invitation", GuardianInvitationView.as_view(), name="api-guardian-invitation"),
]
