"""From the last release to this tree and back, while clients write."""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .inside import acknowledged
from .load import Load
from .release import NoHistory, last_release, unpack
from .running import ROOT, Deployment
from .servers import missing

MIGRATING = "the last release, while migrations run and on the new schema"
GOING_BACK = "the last release, while migrations are undone"
MIGRATING_AGAIN = "the last release, while migrations run again"
NAME = re.compile("`([^`]+)`")
FOUND = """
import json
from enrollments.models import DistrictSeatAllocation
from tests.faults.seed import found_workspace
print(json.dumps(found_workspace()))
DistrictSeatAllocation.objects.update(total_seats=100_000)
"""


@pytest.fixture(scope="module")
def before() -> Iterator[Path]:
    """Return the tree of the last release."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        yield unpack(Path(folder), commit=last_release()["commit"])


# Every column, and every rule that a row may break.
SCHEMA = """
SELECT table_name || '.' || column_name, data_type || coalesce(character_maximum_length::text, '') || ' ' || is_nullable
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f')
UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%'
"""


def schema(deployment: Deployment) -> dict[str, str]:
    return {str(name): str(definition) for name, definition in deployment.postgres.ask(SCHEMA)}


def narrowed(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return the old schema's columns and rules that differ in the new one: on the way back, rows may violate them."""
    return sorted(name for name, definition in old.items() if new.get(name) != definition)


def listed_as_in_the_way() -> list[str]:
    """Return what docs/deployment.md says about that."""
    _, _, table = (ROOT / "docs" / "deployment.md").read_text().partition("| what is checked |")
    return sorted(
        name for row in table.partition("\n\n")[0].splitlines()[2:] for name in NAME.findall(row.split("|")[1])
    )


def swap(deployment: Deployment, name: str, *, tree: Path) -> None:
    """Replace a worker or a beat with the one of another tree."""
    deployment.stop(name)
    deployment.start(name, tree=tree)


def surprises(told: dict[str, Counter[int]], *, log: str) -> dict[str, Any]:
    """Return answers other than 200 and 503, by step. Those that the last release is known to give while its database
    changes are ignored, as long as its log gives the reason and they do not exceed the known number.
    """
    found: dict[str, dict[Any, Any]] = {
        step: {status: n for status, n in told[step].items() if status not in (200, 503)} for step in told
    }
    for known in last_release().get("known_while_migrating", []):
        status, reason = known["status"], known["log"]
        excused = sum(found[step].pop(status, 0) for step in (MIGRATING, GOING_BACK, MIGRATING_AGAIN) if step in found)
        if excused > min(known["at_most"], log.count(reason)):
            found[reason] = {status: excused, "in its log": log.count(reason), "known": known["at_most"]}
    return {step: others for step, others in found.items() if others}


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=f"not installed here, see make upgrade-test: {', '.join(missing())}")
class TestFromTheLastReleaseAndBack:
    def test_no_request_fails_but_with_a_503_that_says_when_to_come_back(self, before: Path) -> None:
        told: dict[str, Counter[int]] = {}
        with Deployment() as deployment:
            deployment.manage("migrate", "--no-input", tree=before)
            oldest = schema(deployment)
            for service in ("worker", "beat", "web"):
                deployment.start(service, tree=before, as_="old" if service == "web" else "")
            deployment.admit("old")
            key = json.loads(deployment.manage("shell", "--command", FOUND, tree=before).splitlines()[-1])["key"]
            with Load(deployment.url, key, deployment.sandbox, keeps_keys=True) as load:

                def during(step: str) -> None:
                    load.wait_for_more(40)
                    told[step] = load.answers - sum(told.values(), Counter())

                during("the last release")
                deployment.manage("upgrade_database")
                during(MIGRATING)
                deployment.start("web", as_="new")
                deployment.admit("old", "new")
                during("both")
                swap(deployment, "worker", tree=ROOT)
                swap(deployment, "beat", tree=ROOT)
                deployment.admit("new")
                deployment.stop("old")
                load.keeps_keys = False
                during("this one")
                load.keeps_keys = True
                deployment.start("web", as_="old", tree=before)
                deployment.admit("old", "new")
                during("both again")
                swap(deployment, "worker", tree=before)
                swap(deployment, "beat", tree=before)
                deployment.admit("old")
                deployment.stop("new")
                during("the last release again")
                plan = deployment.folder / "plan.txt"
                plan.write_text(deployment.manage("showmigrations", "--plan", tree=before))
                deployment.manage("upgrade_database", "--back-to", str(plan))
                assert deployment.manage("migrate", "--check", tree=before) == ""
                assert schema(deployment) == oldest
                during(GOING_BACK)
                deployment.manage("upgrade_database")
                during(MIGRATING_AGAIN)
            print(json.dumps({step: dict(answers) for step, answers in told.items()}))
            print(f"answered 409 after a 500 or 503, by key: {sorted(load.left_in_flight.values())}")

            assert (load.errors, load.without_advice) == ([], Counter())
            assert surprises(told, log=deployment.log("old")) == {}, load.surprises[:5]
            found = set(narrowed(oldest, schema(deployment)))
            listed = set(listed_as_in_the_way())  # of the last release; a later commit has fewer of them
            assert found == (listed if "version" in last_release() else found & listed)
            deployment.wait_until_settled()
            assert acknowledged(deployment) == {
                "seated": sorted(load.seated),
                "paid": sorted(load.paid),
                "used_seats": len(load.seated),
            }
            assert deployment.sandbox.ledger()["totals"]["usd"]["net"] == 4900 * len(load.paid)
            assert json.loads(deployment.manage("doctor", "--json"))["breaches"] == {}


class TestARelease:
    def test_that_is_not_in_the_clone_is_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(NoHistory, match="git fetch --unshallow"):
            unpack(tmp_path, commit="0" * 40)
