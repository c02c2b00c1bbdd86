"""The list of the erased is read back as it was written, and refused by the field where it was not written by us."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.merging import merge_learners
from accounts.tests.factories import LearnerFactory
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid
from privacy.erasure_list import list_erasures, read_erasures
from privacy.tests.erasures import erase
from tests.commands import run_json

ENTRY = {"learner": "c" + "a" * 23, "reason": "asked", "actor": "user:7", "erased_at": "2026-11-01T08:00:00+00:00"}
LIST = {"format": "erasures-1", "made_at": "2026-11-02T08:00:00+00:00", "erasures": [ENTRY]}


@pytest.mark.django_db
class TestTheList:
    def test_is_read_as_it_was_written_with_whom_they_had_been(self, tmp_path: Path) -> None:
        drop = LearnerFactory(email="a@home.test")
        keep = LearnerFactory(workspace=drop.workspace, email="b@home.test")
        merge_learners(keep_id=keep.pk, drop_id=drop.pk, reason="One", actor=SYSTEM, now=utc_now())
        now = utc_now()
        erase(keep, now=now)
        file = tmp_path / "erasures.json"

        report = run_json("export_erasures", str(file))

        read = read_erasures(file)
        told = [(each.learner_cuid, each.reason, each.actor, each.erased_at) for each in read.erasures]
        assert told == [(cuid, "asked", "system", now) for cuid in (keep.cuid, drop.cuid)]
        assert (report["erasures"], report["made_at"]) == (2, read.made_at.isoformat())
        assert file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["erasures.json"]

    def test_is_counted_and_not_written(self, tmp_path: Path) -> None:
        report = run_json("export_erasures", str(tmp_path / "erasures.json"), "--dry-run")

        assert report["erasures"] == len(list_erasures(now=utc_now()).erasures) == 0
        assert list(tmp_path.iterdir()) == []


class TestAListThatIsNone:
    @pytest.mark.parametrize(
        ("document", "told"),
        [
            ([], "is no list of erasures"),
            (LIST | {"format": "other"}, "is no list of erasures"),
            (LIST | {"made_at": "yesterday"}, "made_at: Give a time"),
            (LIST | {"made_at": "2026-11-02T08:00:00"}, "made_at: Give a time with its offset"),
            (LIST | {"erasures": None}, "erasures: Give a list"),
            (LIST | {"erasures": [7]}, r"erasures\[0\]: Give an object"),
            (LIST | {"erasures": [ENTRY, ENTRY | {"learner": "Ana"}]}, r"erasures\[1\].learner: Give the id"),
            (LIST | {"erasures": [ENTRY | {"reason": "bored"}]}, r"erasures\[0\].reason: Give one of asked"),
            (LIST | {"erasures": [ENTRY | {"actor": "user:x"}]}, r"erasures\[0\].actor: Give an actor"),
            (LIST | {"erasures": [ENTRY | {"erased_at": 3}]}, r"erasures\[0\].erased_at: Give a time"),
        ],
    )
    def test_is_refused(self, tmp_path: Path, document: Any, told: str) -> None:
        file = tmp_path / "erasures.json"
        file.write_text(json.dumps(document))

        with pytest.raises(Invalid, match=told):
            read_erasures(file)

    def test_is_refused_cut_off_and_where_there_is_none(self, tmp_path: Path) -> None:
        file = tmp_path / "erasures.json"
        file.write_text(json.dumps(LIST)[:-4])

        with pytest.raises(Invalid, match="can't be read as a list"):
            read_erasures(file)
        with pytest.raises(Invalid, match="There is no file"):
            read_erasures(tmp_path / "none.json")
