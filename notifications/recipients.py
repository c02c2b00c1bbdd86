"""Whom to write to about a learner."""

from accounts.models import Guardian, Learner


def family_addresses(learner: Learner) -> list[str]:
    """The addresses a learner's family gave: the guardians'. The learner's own is among them only if nobody answers for
    the learner, or if they have an account and so act for themselves."""
    guardians = Guardian.objects.filter(guardianships__learner=learner, email__isnull=False).exclude(email="")
    found = [str(address) for address in guardians.order_by("pk").values_list("email", flat=True)]
    if not found or learner.user_id is not None:
        found.append(learner.email)
    return list(dict.fromkeys(address for address in found if address))  # in the one spelling all are stored in
