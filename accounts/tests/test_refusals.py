"""Refusals of references to nothing, or to two things; nothing has changed after them."""

import datetime as dt

import pytest

from accounts.api_keys import create_api_key, rotate_api_key
from accounts.guardians import set_guardian_address
from accounts.merging import find_by_reference
from accounts.models import ApiKey, Guardian
from accounts.states import Scope
from accounts.tests.factories import GuardianFactory, LearnerFactory, WorkspaceFactory
from core.clock import utc_now
from core.errors import Invalid

pytestmark = pytest.mark.django_db


def test_a_guardian_known_by_the_address_alone_keeps_it() -> None:
    guardian = GuardianFactory(external_id=None, email="gail@home.test")

    with pytest.raises(Invalid):
        set_guardian_address(guardian_id=guardian.pk, email=None, now=utc_now())

    assert Guardian.objects.get().email == "gail@home.test"


@pytest.mark.sqlite
def test_a_reference_that_names_two_learners_names_none() -> None:
    one = LearnerFactory()
    LearnerFactory(workspace=one.workspace, external_id=str(one.pk))

    with pytest.raises(Invalid, match="two learners"):
        find_by_reference(workspace_id=one.workspace_id, reference=str(one.pk))


def test_a_key_is_not_rotated_into_the_past() -> None:
    key, _ = create_api_key(workspace_id=WorkspaceFactory().pk, name="LMS", scopes=[Scope.values[0]], now=utc_now())

    with pytest.raises(Invalid):
        rotate_api_key(api_key_id=key.pk, overlap=dt.timedelta(seconds=-1), now=utc_now())

    assert list(ApiKey.objects.values_list("pk", "replaced_by", "expires_at")) == [(key.pk, None, None)]
