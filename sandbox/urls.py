"""Every URL of the sandbox: its own control API, and each stand-in at its vendor's paths."""

from django.urls import include, path

from sandbox import control
from sandbox.fakturownia import control as fakturownia_control
from sandbox.lms import control as lms_control
from sandbox.receivers import control as receivers_control
from sandbox.stripe import control as stripe_control

urlpatterns = [
    path("", control.show_home),
    path("_sandbox/health", control.health),
    path("_sandbox/faults", control.faults_in_force),
    path("_sandbox/clock/advance", control.advance_clock),
    path("_sandbox/reset", control.reset),
    path("_sandbox/ledger", stripe_control.ledger, name="ledger"),
    path("_sandbox/history", stripe_control.remember),
    path("_sandbox/webhooks", stripe_control.deliveries),
    path("_sandbox/webhooks/endpoint", stripe_control.endpoint),
    path("_sandbox/webhooks/flush", stripe_control.flush),
    path("_sandbox/webhooks/redeliver", stripe_control.redeliver),
    path("_sandbox/refunds/settle", stripe_control.settle_refund),
    path("_sandbox/disputes", stripe_control.open_dispute),
    path("_sandbox/disputes/close", stripe_control.close_dispute),
    path("_sandbox/payouts", stripe_control.make_payouts),
    path("_sandbox/fakturownia/<slug:slug>", fakturownia_control.account),
    path("_sandbox/fakturownia/<slug:slug>/tax-office", fakturownia_control.tax_office),
    path("_sandbox/lms-flush", lms_control.flush),
    path("_sandbox/lms/<slug:slug>", lms_control.partner),
    path("_sandbox/lms/<slug:slug>/history", lms_control.remember),
    path("_sandbox/receivers/<slug:slug>", receivers_control.receiver),
    path("", include("sandbox.stripe.urls")),
    path("", include("sandbox.lms.urls")),
    path("", include("sandbox.fakturownia.urls")),
    path("", include("sandbox.receivers.urls")),
]
