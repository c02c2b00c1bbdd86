"""The API's log of events: `/v1/events`."""

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from sandbox.stripe.api import operation
from sandbox.stripe.errors import invalid, no_such
from sandbox.stripe.listing import PAGING, list_page
from sandbox.stripe.models import Event
from sandbox.stripe.parameters import List, Text
from sandbox.stripe.rendering import Body, render


@operation()
def retrieve_event(params: dict[str, Any], *, ref: str) -> Body:
    event = Event.objects.filter(ref=ref).first()
    if event is None:
        raise no_such("event", ref)
    return render(event)


@operation(**PAGING, type=Text(), types=List(Text(), most=20))
def list_events(params: dict[str, Any]) -> Body:
    if "type" in params and "types" in params:
        raise invalid("types", "You may only specify one of these parameters: type, types.")
    types = params.get("types") or ([params["type"]] if "type" in params else [])
    chosen = reduce(or_, [_of_type(type) for type in types], Q())
    return list_page(Event.objects.filter(chosen), params, url="/v1/events")


def _of_type(type: str) -> Q:
    """Return the condition for a type; `charge.*` matches every type that begins with `charge.`."""
    return Q(type__startswith=type[:-1]) if type.endswith(".*") else Q(type=type)
