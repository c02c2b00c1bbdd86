"""The trail at the top of every back-office page, which ends with the page's own name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import template
from django.db.models import Model
from django.template import RequestContext
from django.urls import reverse

from ..display import admin_url, list_url, name_of

register = template.Library()


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of the trail; the last one has no link unless it leads to a row or to where the sidebar leads."""

    title: object
    link: str = ""


@register.simple_tag(takes_context=True)
def crumbs(context: RequestContext) -> list[Crumb]:
    """Return the trail: the app, the list, the row as staff know it, and the page, as far as there are any.

    Unfold ends the trail of every page about a model with the list, and names a row by `str`, which may be an id.
    """
    if context.request.path == reverse("admin:index"):
        return [Crumb(f"Welcome {context.request.user.get_username()}")]
    return list(_trail(context))


def _trail(context: RequestContext) -> Iterator[Crumb]:
    row = _row_in(context)
    model = type(row) if row is not None else _model_of(context)
    if model is not None:
        app = model._meta.app_config
        yield Crumb(app.verbose_name, reverse("admin:app_list", args=[app.label]))
    if place := context.get("PLACE_IN_SIDEBAR"):
        yield Crumb(*place)
        return
    if model is not None:
        yield Crumb(model._meta.verbose_name_plural, list_url(model))
    if row is not None:
        yield Crumb(context.get("subtitle") or name_of(row), admin_url(row))
    is_of_row = row is not None and "adminform" in context
    if "cl" not in context and not is_of_row:
        yield Crumb(context.get("content_title") or context.get("title", ""))


def _row_in(context: RequestContext) -> Model | None:
    found = context.get("original") or context.get("object")
    return found if isinstance(found, Model) else None


def _model_of(context: RequestContext) -> type[Model] | None:
    about: Any = context.get("opts") or getattr(context.get("model_admin"), "opts", None)
    return about.model if about is not None else None
