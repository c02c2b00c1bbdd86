"""An erasure breaks none of the rules that the doctor knows."""

from pathlib import Path
from typing import Any

import pytest

from operations.doctor import examine
from privacy.tests.canary import build_canary
from privacy.tests.erasures import erase


@pytest.mark.django_db
def test_the_doctor_finds_no_more_than_before(tmp_path: Path, settings: Any) -> None:
    on_disk = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"private": on_disk}
    learner = build_canary()
    before = examine()  # from the canary's hand-made rows

    erase(learner)

    assert examine() == before
