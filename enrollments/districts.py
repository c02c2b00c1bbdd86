"""Districts as rosters identify them: by the sourcedId of an organization, where our API uses a number."""

from django.db.models import Max

from core.numbers import parse_whole_number

from .models import District


def register_district(*, workspace_id: int, external_id: str, name: str, number: str) -> District:
    """Return the district that rosters know by `external_id`, creating it if needed. Its tenant id is its
    organization's number, if that is a whole number that no other district has, or else the next free one. An existing
    district with that same number and name is adopted, and is known by the external id from now on.

    Raises IntegrityError if the number is taken, or the district registered, at the same moment.
    """
    districts = District.objects.filter(workspace=workspace_id)
    wanted = parse_whole_number(number, lowest=1)
    holder = districts.filter(tenant_id=wanted).first() if wanted is not None else None
    if holder is not None and holder.external_id is None and holder.name.casefold() == name.casefold():
        holder.external_id = external_id
        holder.save(update_fields=["external_id"])
        return holder
    if wanted is None or holder is not None:
        wanted = (districts.aggregate(last=Max("tenant_id"))["last"] or 0) + 1
    return District.objects.create(workspace_id=workspace_id, tenant_id=wanted, external_id=external_id, name=name)
