"""`GET /metrics`: everything that operators watch, as Prometheus reads it (docs/metrics.md)."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from accounts import metrics as accounts
from backoffice import metrics as backoffice
from backoffice.scoping import access_of
from billing import metrics as billing
from cohorts import metrics as cohorts
from core.clock import utc_now
from core.metrics import Figure, Kind, WorkFigures
from core.replicas import from_replica
from core.timings import processes
from enrollments import metrics as enrollments
from events import metrics as events
from notifications import metrics as notifications
from operations import metrics as operations
from partners import metrics as partners
from privacy import metrics as privacy

PREFIX = "enrollment_"
WORK = (
    *notifications.WORK,
    *events.WORK,
    *backoffice.WORK,
    *billing.WORK,
    *enrollments.WORK,
    *cohorts.WORK,
    *partners.WORK,
)
FIGURES: tuple[Figure, ...] = (
    *WorkFigures(WORK).figures(),
    *accounts.FIGURES,
    *events.FIGURES,
    *billing.FIGURES,
    *enrollments.FIGURES,
    *cohorts.FIGURES,
    *partners.FIGURES,
    *privacy.FIGURES,
    *operations.FIGURES,
)


@require_safe
@never_cache
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Show the metrics to callers with METRICS_TOKEN as a bearer token and signed-in superusers; others get a 404."""
    if not (_has_token(request) or access_of(request).everywhere):
        raise Http404("You don't have access to this page.")
    told = from_replica(lambda: generate_latest(Database())) + generate_latest(processes())
    return HttpResponse(told, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Database(Collector):
    """Collects the figures from the database as they are now."""

    def collect(self) -> Iterator[Metric]:
        now = utc_now()
        for figure in FIGURES:
            family = _family(figure)
            for labels, value in figure.read(now):
                family.add_metric(labels, value)
            yield family


def _family(figure: Figure) -> GaugeMetricFamily | CounterMetricFamily:
    name = PREFIX + figure.name
    if figure.kind is Kind.COUNTER:
        return CounterMetricFamily(name, figure.help, labels=figure.labels)
    return GaugeMetricFamily(name, figure.help, labels=figure.labels)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, brought = request.headers.get("Authorization", "").partition(" ")
    wanted = settings.METRICS_TOKEN
    is_bearer = scheme.lower() == "bearer" and bool(wanted)
    return is_bearer and hmac.compare_digest(brought.strip().encode(), wanted.encode())
