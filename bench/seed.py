"""Create a workspace for each contestant: `python -m bench.seed`, in a production environment.

It prints, as JSON, what the contestants have to know: workspace, key, program instance, and allocations.
"""

import json
import sys

import django

from core.clock import utc_now

PLENTY = 10_000_000
SCARCE_SEATS = 50
SCARCE_TENANT = 1_000
CONTESTANTS = {"limit": 1, "http": 1, "naive": 1, "hot": 1, "spread": 64}  # and how many allocations each works on


def main() -> None:
    django.setup()
    json.dump({name: _seed(name, tenants) for name, tenants in CONTESTANTS.items()}, sys.stdout)


def _seed(name: str, tenants: int) -> dict[str, object]:
    from accounts.api_keys import create_api_key  # noqa: PLC0415  (models exist after setup)
    from accounts.models import Workspace  # noqa: PLC0415
    from enrollments.models import Program, ProgramInstance  # noqa: PLC0415
    from enrollments.seats import create_allocation  # noqa: PLC0415

    workspace = Workspace.objects.create(slug=f"bench-{name}", name=f"Bench {name}")
    program = Program.objects.create(workspace=workspace, code="BENCH", title="Bench")
    instance = ProgramInstance.objects.create(workspace=workspace, program=program, name="Term", is_default=True)
    allocations = [
        create_allocation(workspace_id=workspace.pk, tenant_id=number + 1, total_seats=PLENTY, now=utc_now())
        for number in range(tenants)
    ]
    create_allocation(workspace_id=workspace.pk, tenant_id=SCARCE_TENANT, total_seats=SCARCE_SEATS, now=utc_now())
    api_key, key = create_api_key(workspace_id=workspace.pk, name="Bench", scopes=["decisions:write"], now=utc_now())
    return {
        "workspace_id": workspace.pk,
        "instance_id": instance.pk,
        "instance_cuid": instance.cuid,
        "key": key,
        "actor": f"key:{api_key.pk}",
        "allocation_id": allocations[0].pk,
        "district_id": allocations[0].district_id,
    }


if __name__ == "__main__":
    main()
