from django.urls import path

from .consents import ConsentListView, ConsentWithdrawalView
from .guardians import GuardianInvitationView, GuardianListView, GuardianView
from .people import LeadListView, LeadView, LearnerListView, LearnerView

urlpatterns = [
    path("learners", LearnerListView.as_view(), name="api-learners"),
    path("learners/<cuid:learner_id>", LearnerView.as_view(), name="api-learner"),
    path("learners/<cuid:learner_id>/consents", ConsentListView.as_view(), name="api-learner-consents"),
    path(
        "learners/<cuid:learner_id>/consents/<number:consent_id>/withdraw",
        ConsentWithdrawalView.as_view(),
        name="api-learner-consent-withdraw",
    ),
    path("leads", LeadListView.as_view(), name="api-leads"),
    path("leads/<cuid:lead_id>", LeadView.as_view(), name="api-lead"),
    path("guardians", GuardianListView.as_view(), name="api-guardians"),
    path("guardians/<number:guardian_id>", GuardianView.as_view(), name="api-guardian"),
    path("guardians/<number:guardian_id>/invitation", GuardianInvitationView.as_view(), name="api-guardian-invitation"),
]
