"""Leads: prospects of whom something is known, until the first approved enrollment makes them learners."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from core.addresses import canonical_address
from core.errors import Invalid, NotFound

from .learners import checked_contact, lock_live_learner
from .models import Lead, Learner

# The fields a learner needs, as the API spells them.
NEEDED = {"first_name": "firstName", "last_name": "lastName", "email": "email"}


def list_leads(*, workspace_id: int) -> QuerySet[Lead]:
    """Return the workspace's leads, each with the learner it became."""
    return Lead.objects.filter(workspace_id=workspace_id).select_related("converted_to")


def get_lead(*, workspace_id: int, cuid: str) -> Lead:
    """Return one of them. Raises NotFound."""
    found = list_leads(workspace_id=workspace_id).filter(cuid=cuid).first()
    if found is None:
        raise NotFound("There is no such lead in this workspace.")
    return found


def lock_lead(lead_id: int) -> tuple[Lead, Learner | None]:
    """Return the lead and the learner it became, if any; both locked, the learner first. Raises LearnerMerged if the
    learner is being merged.

    A caller that also locks an enrollment of the lead does so before this (docs/concurrency.md, section 3)."""
    learner_id = Lead.objects.values_list("converted_to", flat=True).get(pk=lead_id)
    learner = lock_live_learner(learner_id) if learner_id is not None else None
    lead = Lead.objects.select_for_update(no_key=True).get(pk=lead_id)
    if learner is None and lead.converted_to_id is not None:  # it became one while we waited
        learner = lock_live_learner(lead.converted_to_id)
    return lead, learner


def missing_of(lead: Lead) -> list[str]:
    """Return the fields a learner needs and the lead lacks, as the API spells them."""
    return [spelled for field, spelled in NEEDED.items() if not getattr(lead, field)]


@transaction.atomic
def create_lead(*, workspace_id: int, **known: Any) -> Lead:
    """Create a prospect with the known details: names, email, phone, address. Raises Invalid if nothing is known."""
    lead = Lead(workspace_id=workspace_id, **_checked(known))
    _refuse_unknown(lead)
    lead.save()
    return lead


@transaction.atomic
def change_lead(*, workspace_id: int, cuid: str, changes: dict[str, Any]) -> Lead:
    """Change the given fields among first and last name, email, phone, and address. Raises NotFound, and Invalid if
    nothing would remain known."""
    lead, _ = lock_lead(get_lead(workspace_id=workspace_id, cuid=cuid).pk)
    for field, value in _checked(changes).items():
        setattr(lead, field, value)
    _refuse_unknown(lead)
    lead.save(update_fields=list(changes) or None)
    return lead


def fill_lead(lead: Lead, *, known: dict[str, str]) -> None:
    """Add to a (locked) lead what a request says and was unknown."""
    for field, value in known.items():
        setattr(lead, field, value)
    if known:
        lead.save(update_fields=list(known))


def _checked(known: dict[str, Any]) -> dict[str, Any]:
    checked = checked_contact(known)
    if "email" in checked:
        checked["email"] = canonical_address(checked["email"])
    return checked


def _refuse_unknown(lead: Lead) -> None:
    if not any((lead.first_name, lead.last_name, lead.email, lead.phone)):
        raise Invalid("A lead is known by a name, an email or a phone number: give at least one of them.")
