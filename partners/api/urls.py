from django.urls import path

from .certificates import CertificateView
from .partners import (
    PartnerListView,
    PartnerView,
    PausePartnerView,
    PipelineView,
    ResumePartnerView,
    RotateSecretView,
)
from .sequences import PartnerSequenceView
from .steps import (
    CompleteStepView,
    ReassignStepView,
    ReopenStepView,
    RetryStepView,
    SkipStepView,
    StepListView,
)
from .webhooks import PartnerWebhookView

PARTNER = "partners/<slug:slug>"
STEPS = "enrollments/<cuid:enrollment_id>/steps"
STEP = f"{STEPS}/<cuid:step_id>"

urlpatterns = [
    path("webhooks/partners/<slug:slug>", PartnerWebhookView.as_view(), name="partner-webhook"),
    path("partners", PartnerListView.as_view(), name="api-partners"),
    path("partners/pipeline", PipelineView.as_view(), name="api-partner-pipeline"),
    path(PARTNER, PartnerView.as_view(), name="api-partner"),
    path(f"{PARTNER}/rotate-secret", RotateSecretView.as_view(), name="api-partner-rotate-secret"),
    path(f"{PARTNER}/pause", PausePartnerView.as_view(), name="api-partner-pause"),
    path(f"{PARTNER}/resume", ResumePartnerView.as_view(), name="api-partner-resume"),
    path("programs/<str:code>/partnerSequence", PartnerSequenceView.as_view(), name="api-partner-sequence"),
    path(STEPS, StepListView.as_view(), name="api-partner-steps"),
    path(f"{STEP}/retry", RetryStepView.as_view(), name="api-partner-step-retry"),
    path(f"{STEP}/skip", SkipStepView.as_view(), name="api-partner-step-skip"),
    path(f"{STEP}/complete", CompleteStepView.as_view(), name="api-partner-step-complete"),
    path(f"{STEP}/reassign", ReassignStepView.as_view(), name="api-partner-step-reassign"),
    path(f"{STEP}/reopen", ReopenStepView.as_view(), name="api-partner-step-reopen"),
    path("enrollments/<cuid:enrollment_id>/certificate", CertificateView.as_view(), name="api-certificate"),
]
