"""What the back office's course tests do repeatedly: find a row's page, press a button on it, read its errors."""

import datetime as dt
from typing import Any

from django.db import models
from django.urls import reverse

from accounts.models import Learner, Workspace
from accounts.tests.factories import LearnerFactory
from backoffice.tests.staff_client import StaffClient, foreseen
from cohorts.models import ClassSession, Cohort, WaitlistEntry
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import cohort_with
from core.clock import utc_now


def cohort_in(workspace: Workspace, **more: Any) -> Cohort:
    return cohort_with(instance__workspace=workspace, **more)


def url_of(row: models.Model, view: str = "change") -> str:
    return reverse(f"admin:cohorts_{row._meta.model_name}_{view}", args=[row.pk])


def press(client: StaffClient, row: models.Model, button: str, **form: Any) -> Any:
    """Submit the button's form, after its preview if there is one."""
    return client.confirm(url_of(row, button), form)


def faults(response: Any) -> dict[str, list[str]]:
    """Return the form's errors; the page was shown again, not an error page."""
    assert response.status_code == 200
    page = response.context
    form = page["adminform"].form if "adminform" in page else page["form"]
    return dict(form.errors)


def begin_now(session: ClassSession) -> None:
    """Make a session start an hour ago."""
    now = utc_now()
    ClassSession.objects.filter(pk=session.pk).update(
        starts_at=now - dt.timedelta(hours=1), ends_at=now - dt.timedelta(minutes=5)
    )


def counters() -> tuple[int, int]:
    """Return (taken, held)."""
    return Cohort.objects.values_list("current_enrollment", "held_places").get()


def wait_for(cohort: Cohort) -> WaitlistEntry:
    learner: Learner = LearnerFactory(workspace=cohort.instance.workspace)
    return join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())


def list_of(model: str) -> str:
    return reverse(f"admin:cohorts_{model}_changelist")


def ask(client: StaffClient, row: Any, button: str, **form: Any) -> tuple[str, ...]:
    """Return the preview of a button whose form is filled in."""
    return foreseen(client.post(url_of(row, button), form))
