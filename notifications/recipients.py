"""Whom to write to about a learner."""

from accounts.models import Guardian, Learner


def family_addresses(learner: Learner) -> list[str]:
    """The addresses a learner's family gave: the guardians', or failing those the learner's own. Never both: what
    concerns a child is told to those who answer for the child."""
    guardians = Guardian.objects.filter(guardianships__learner=learner, email__isnull=False).exclude(email="")
    found = list(guardians.order_by("pk").values_list("email", flat=True))
    return list(dict.fromkeys(str(address).strip().lower() for address in found or [learner.email] if address))
