"""Our books next to those of the sandbox, which plays Stripe."""

from billing.models import Payment
from cohorts.models import StudentPackage
from sandbox.testing import SandboxProcess


def net(stripe: SandboxProcess) -> int:
    """Return what Stripe has kept of the payers' money after refunds, in US cents."""
    return int(stripe.ledger()["totals"].get("usd", {"net": 0})["net"])


def differences(stripe: SandboxProcess) -> set[str]:
    """Return where our payments and course packages differ from Stripe: every cent that it has captured or refunded
    belongs to a payment, and exactly the payments that are not fully refunded have bought a package.
    """
    received = [payment for payment in stripe.ledger()["payments"] if payment["captured"]]
    theirs = {f"{paid['id']}: {paid['captured']} paid, {paid['refunded']} back" for paid in received}
    theirs |= {f"{paid['id']} buys a package" for paid in received if paid["refunded"] < paid["captured"]}
    ours = {
        f"{payment.payment_intent_id}: {payment.amount_minor} paid, {payment.refunded_minor} back"
        for payment in Payment.objects.filter(paid_at__isnull=False)
    }
    live = StudentPackage.objects.filter(revoked_at__isnull=True)
    ours |= {f"{intent} buys a package" for intent in live.values_list("payment__payment_intent_id", flat=True)}
    return ours ^ theirs
