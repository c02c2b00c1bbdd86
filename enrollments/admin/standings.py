"""An allocation's standing today, as a badge that looks the same wherever it is shown."""

import datetime as dt

from django.utils.safestring import SafeString

from backoffice.display import badge

from ..models import DistrictSeatAllocation
from ..states import AllocationStanding

_TONES = {
    AllocationStanding.OPEN: "active",
    AllocationStanding.COMING: "reserved",
    AllocationStanding.OVER: "released",
    AllocationStanding.OFF: "released",
}


def standing_badge(allocation: DistrictSeatAllocation, now: dt.datetime) -> SafeString:
    standing = allocation.standing(now)
    return badge(_TONES[standing], str(standing.label))
