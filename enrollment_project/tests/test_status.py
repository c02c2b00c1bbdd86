"""The page that tells staff whether the problem is on their side or the system's."""

import datetime as dt
import re

import pytest
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory
from billing.models import StripeEvent
from core.clock import utc_now
from operations.models import Backup, Finding
from partners.tests.factories import ProviderFactory

pytestmark = pytest.mark.django_db

PAGE = reverse("status")


def shown(client, user):
    client.force_login(user)
    response = client.get(PAGE)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


class TestTheStatusPage:
    def test_tells_staff_that_all_is_well_and_nothing_about_the_machinery(self, client):
        text = shown(client, MembershipFactory(role=Role.VIEWER).user)

        assert "Nothing. Work in the background is up to date, and every partner answers." in text
        assert "Work in the background</h2>" not in text

    def test_names_what_is_late_and_partners_of_their_workspace_that_are_away(self, client):
        now = utc_now()
        StripeEvent.objects.create(
            event_id="evt_1",
            type="refund.updated",
            payload={},
            stripe_created_at=now,
            next_attempt_at=now - dt.timedelta(minutes=40),
        )
        membership = MembershipFactory(role=Role.VIEWER)
        ProviderFactory(workspace=membership.workspace, name="Makers", paused_at=now)
        ProviderFactory(name="Another's", paused_at=now)

        text = shown(client, membership.user)

        assert "Stripe events" in text
        assert "Due for 40 minutes." in text
        assert "Makers" in text
        assert "Another" not in text

    def test_shows_operators_all_work_and_what_the_doctor_found(self, client):
        now = utc_now()
        Finding.objects.create(invariant="a.b", row="place 1", fact="is lost", found_at=now, seen_at=now, times_seen=2)

        text = shown(client, StaffFactory(is_superuser=True))

        assert "None has been made by <code>manage.py keep_backups</code> yet." in text
        assert "The data has not been examined yet" in text
        assert "1 row breaks a rule." in text
        assert '<th scope="row">Partner polls</th>' in text

    def test_tells_operators_that_a_night_was_missed(self, client):
        for hours in (37, 61):
            made_at = utc_now() - dt.timedelta(hours=hours)
            Backup.objects.create(
                name=f"{made_at:%Y-%m-%d-%H%M%S}", made_at=made_at, rows=1, files=0, size_bytes=3 << 20
            )

        text = shown(client, StaffFactory(is_superuser=True))

        assert re.search(r"The last one is from 1 day, 13 hours ago \(3.0.MB\); 2 are kept\.", text)
        assert "A night was missed" in text

    def test_is_for_staff(self, client):
        assert client.get(PAGE).status_code == 302
