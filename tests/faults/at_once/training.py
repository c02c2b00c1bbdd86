"""What partners and staff do at once with the steps of an enrollment at partners."""

from collections.abc import Iterator

from partners.interventions import reopen_step, skip_step
from partners.models import EnrollmentStep

from .acting import Acting, Step
from .enrolling import ASKED


def training(act: Acting) -> Iterator[Step]:
    steps = EnrollmentStep.objects.all()
    yield lambda: act.on(steps, skip_step, "step_id", **ASKED)
    yield lambda: act.on(steps, reopen_step, "step_id", **ASKED)
