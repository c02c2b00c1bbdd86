"""From the last release to this tree and back, while clients write."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .inside import acknowledged
from .load import Load
from .release import NoHistory, last_release, unpack
from .running import ROOT, Deployment
from .servers import missing

MIGRATING = "the last release, while migrations run and on the new schema"
FOUND = """
import json
from enrollments.models import DistrictSeatAllocation
from tests.faults.seed import found_workspace
print(json.dumps(found_workspace()))
DistrictSeatAllocation.objects.update(total_seats=100_000)
"""


@pytest.fixture(scope="module")
def before() -> Iterator[Path]:
    """The tree of the last release."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        yield unpack(Path(folder), commit=last_release()["commit"])


def swap(deployment: Deployment, name: str, *, tree: Path) -> None:
    """Replace a worker or a beat by the one of another tree."""
    deployment.stop(name)
    deployment.start(name, tree=tree)


def surprises(told: dict[str, Counter[int]]) -> dict[str, set[int]]:
    """Other answers than 200 and 503, by step, without those that the last release is known to give meanwhile."""
    known = {MIGRATING: set(last_release().get("known_while_migrating", []))}
    found = {step: answers.keys() - {200, 503} - known.get(step, set()) for step, answers in told.items()}
    return {step: others for step, others in found.items() if others}


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=f"not installed here, see make upgrade-test: {', '.join(missing())}")
class TestFromTheLastReleaseAndBack:
    def test_no_request_fails_but_with_a_503_that_says_when_to_come_back(self, before: Path) -> None:
        told: dict[str, Counter[int]] = {}
        with Deployment() as deployment:
            deployment.manage("migrate", "--no-input", tree=before)
            for service in ("worker", "beat", "web"):
                deployment.start(service, tree=before, as_="old" if service == "web" else "")
            deployment.admit("old")
            key = json.loads(deployment.manage("shell", "--command", FOUND, tree=before).splitlines()[-1])["key"]
            with Load(deployment.url, key, deployment.sandbox) as load:

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
                during("this one")
                deployment.start("web", as_="old", tree=before)
                deployment.admit("old", "new")
                during("both again")
                swap(deployment, "worker", tree=before)
                swap(deployment, "beat", tree=before)
                deployment.admit("old")
                deployment.stop("new")
                during("the last release again")
            print(json.dumps({step: dict(answers) for step, answers in told.items()}))

            assert (load.errors, load.without_advice) == ([], Counter())
            assert surprises(told) == {}, load.surprises[:5]
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
