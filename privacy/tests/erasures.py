"""Erasing a learner, in one line."""

import datetime as dt

from accounts.models import Learner
from core.actors import SYSTEM
from core.clock import utc_now
from privacy.erasing import erase_learner
from privacy.models import Erasure
from privacy.states import ErasureReason


def erase(learner: Learner, *, reason: ErasureReason = ErasureReason.ASKED, now: dt.datetime | None = None) -> Erasure:
    return erase_learner(
        workspace_id=learner.workspace_id,
        learner_cuid=learner.cuid,
        reason=reason,
        actor=SYSTEM,
        now=now or utc_now(),
    )
