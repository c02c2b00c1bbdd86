"""How learners fare at partners: the figures of the pipeline page, in one table.

They read every step there is, which takes seconds for a million. They are therefore cached for a few minutes and show
the time they were computed.
"""

import hashlib

from django.core.cache import cache

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.display import moment, page_url
from partners.models import Provider
from partners.pipeline import PartnerFigures, pipelines_of

from .figure import Asked, Figure

KEPT_SECONDS = 300


def pipeline(asked: Asked) -> list[Figure]:
    workspaces = asked.scope.access.limit(Workspace.objects.order_by("slug"), path="id", power=Power.VIEW)
    ids = list(workspaces.filter(pk__in=Provider.objects.values("workspace")).values_list("pk", flat=True))
    key = f"dashboard-pipeline:{hashlib.sha256(repr(ids).encode()).hexdigest()}"
    at, rows = cache.get(key) or (asked.now, None)
    if rows is None:
        found = pipelines_of(workspace_ids=ids, now=at) if ids else {}
        rows = [_row(each) for ours in found.values() for each in ours]
        cache.set(key, (at, rows), KEPT_SECONDS)
    return [
        Figure(
            name="pipeline",
            title="Partner pipeline",
            help=(
                "Learners at each partner as they stand now, regardless of the days above. Completion = the "
                "share of learners who completed, of those who began. Median days = from acceptance to "
                "completion. Stuck = no progress for longer than the partner may take, not counting its "
                "outages. The bottleneck is the partner with the most learners stuck."
            ),
            empty="No program has partners yet.",
            columns=(
                "Partner",
                "Pending",
                "In progress",
                "Completed",
                "Stuck",
                "Completion",
                "Median days",
                "Bottleneck",
            ),
            rows=rows,
            note=f"As of {moment(at)}.",
            more_url=page_url(Provider, "pipeline"),
            is_table=True,
        )
    ]


def _row(partner: PartnerFigures) -> tuple[str, ...]:
    rate = partner.completion_rate
    return (
        str(partner.provider),
        str(partner.pending),
        str(partner.in_progress),
        str(partner.completed),
        str(partner.stuck_count),
        "" if rate is None else f"{rate:.0%}",
        "" if partner.median_days is None else f"{partner.median_days:g}",
        "yes" if partner.is_bottleneck else "",
    )
