"""The page on which staff map our fields to the names in a partner's JSON: a form, examples of the result, then saving.

It works without JavaScript: each button submits the whole page, and what was typed comes back.
"""

import hashlib
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.roles import Power
from backoffice.auditing.recording import one_deed
from backoffice.display import admin_url
from core.clock import utc_now
from core.errors import DomainError

from ..errors import FieldMapChanged
from ..field_map import FieldMap, find_faults, keep_differing
from ..models import Provider
from ..providers import change_field_map
from ..unread import foresee_unread
from .field_map_form import FieldMapForm, examples_of

PREVIEW = "preview"
SAVE = "save"
RESET = "reset"
POWER = Power.GOVERN


def field_map_url(provider: Provider) -> str:
    return reverse("admin:partners_provider_field_map", args=[provider.pk])


def edit_field_map(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show the page and handle its buttons."""
    provider = model_admin.get_visible(request, object_id)
    if provider is None:
        raise Http404("There is no such partner.")
    if not model_admin.may(request, POWER, provider):
        raise PermissionDenied
    act = request.POST.get("act", PREVIEW) if request.method == "POST" else ""
    if act in (PREVIEW, SAVE):
        return _answer(model_admin, request, provider, is_wanted=act == SAVE)
    if act == RESET:
        provider.field_map = {}  # only for this page, until it is saved
    form = FieldMapForm(request=request, row=provider)
    return _page(model_admin, request, form, fields=FieldMap(provider.field_map))


def _answer(model_admin: Any, request: HttpRequest, provider: Provider, *, is_wanted: bool) -> HttpResponse:
    """Show the effects of the map; save it only if this preview was already shown and the form is unchanged."""
    form = FieldMapForm(request.POST, request=request, row=provider)
    present = FieldMap(provider.field_map)
    if not form.is_valid():
        return _page(model_admin, request, form, fields=present)
    told = form.told()
    faults = find_faults(told)
    if faults:
        form.show(faults)
        return _page(model_admin, request, form, fields=present)
    wanted = keep_differing(told)
    if is_wanted and request.POST.get("seen") == _seal(wanted):
        try:
            with one_deed(request):
                change_field_map(
                    provider_id=provider.pk, field_map=wanted, replaces=request.POST.get("replaces", ""), now=utc_now()
                )
                model_admin.log_change(request, provider, "Changed the field map")
        except FieldMapChanged as refusal:
            form.add_error(None, f"{refusal.detail}. What you typed is below; saving now replaces what they saved.")
            return _page(model_admin, request, form, fields=FieldMap(wanted), foreseen=wanted, replaces=present.digest)
        except DomainError as refusal:
            form.add_error(None, refusal.detail)
            return _page(model_admin, request, form, fields=present)
        messages.success(
            request, "The field map is saved. Messages that could not be read so far are read with it now."
        )
        return HttpResponseRedirect(admin_url(provider))
    if is_wanted:
        form.add_error(None, "You changed something after the preview. Look at it again, then save.")
    return _page(model_admin, request, form, fields=FieldMap(wanted), foreseen=wanted)


def _seal(field_map: dict[str, Any]) -> str:
    """Identify what a preview was about."""
    return hashlib.sha256(repr(field_map).encode()).hexdigest()[:16]


def _page(
    model_admin: Any,
    request: HttpRequest,
    form: FieldMapForm,
    *,
    fields: FieldMap,
    foreseen: dict[str, Any] | None = None,
    replaces: str = "",
) -> HttpResponse:
    provider = form.row
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Field map",
        "subtitle": str(provider),
        "opts": model_admin.opts,
        "original": provider,
        "provider": provider,
        "form": form,
        "replaces": replaces or request.POST.get("replaces") or FieldMap(provider.field_map).digest,
        "is_foreseen": foreseen is not None,
        "seen": "" if foreseen is None else _seal(foreseen),
        "examples": examples_of(fields),
        "unread": foresee_unread(provider=provider, fields=fields),
        "here": field_map_url(provider),
        "cancel_url": admin_url(provider),
        "media": model_admin.media + form.media,
    }
    status = 422 if form.is_bound and form.errors else 200
    return TemplateResponse(request, "admin/partners/field_map.html", context, status=status)
