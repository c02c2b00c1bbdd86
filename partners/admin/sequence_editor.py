"""The page on which staff define a program's sequence: parts and steps, a preview of the changes, then a new version.

It works without JavaScript: each button submits the whole page, and what was typed comes back.
"""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.roles import Power
from backoffice.auditing.recording import one_deed
from backoffice.display import admin_url, list_url
from backoffice.guided import PREVIEW, seal
from backoffice.scoping import access_of, actor_of
from core.clock import utc_now
from core.errors import DomainError
from core.numbers import parse_whole_number
from enrollments.models import Program

from ..errors import SequenceChanged
from ..models import PartnerSequence
from ..queries import get_active_sequence
from ..sequences import MAX_STEPS, ForeseenSequence, GroupDraft, define_sequence, foresee_sequence, read_groups
from .sequence_form import SequenceForm, change, read_texts, texts_of

PUBLISH = "publish"


def editor_url(program: Program) -> str:
    return f"{reverse('admin:partners_partnersequence_editor')}?program={program.pk}"


def edit_sequence(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the page and handle its buttons."""
    program = _find_program(request)
    present = get_active_sequence(program_id=program.pk)
    act = request.POST.get("act", PREVIEW) if request.method == "POST" else ""
    if act in (PREVIEW, PUBLISH):
        return _answer(model_admin, request, program, present, is_wanted=act == PUBLISH)
    groups = read_texts(request.POST) if act else texts_of(read_groups(present) if present else ())
    change(groups, act)
    form = SequenceForm(groups=groups, request=request, row=program)
    return _page(model_admin, request, form, replaces=_replaces(request, present))


def _find_program(request: HttpRequest) -> Program:
    """Return the program in the URL, if this person may define its sequence. Raises Http404."""
    key = parse_whole_number(request.GET.get("program", ""))
    mine = access_of(request).limit(Program.objects.all(), path="workspace", power=Power.MANAGE)
    program = mine.select_related("workspace").filter(pk=key).first() if key else None
    if program is None:
        raise Http404("There is no such program.")
    return program


def _answer(
    model_admin: Any, request: HttpRequest, program: Program, present: PartnerSequence | None, *, is_wanted: bool
) -> HttpResponse:
    """Show what would change; publish it only if this preview was already shown and the form is unchanged."""
    form = SequenceForm(request.POST, groups=read_texts(request.POST), request=request, row=program)
    replaces = _replaces(request, present)
    foreseen = None
    if form.is_valid():
        drafts = form.drafts()
        groups = [draft for _, _, draft in drafts]
        try:
            foreseen = foresee_sequence(program=program, groups=groups)
            if is_wanted and request.POST.get("seen") == seal(groups):
                return _publish(model_admin, request, program, groups, present, replaces)
        except SequenceChanged:
            replaces = present.version if present else 0
            form.add_error(None, f"{_by_whom(present)} Compare it with yours below, then publish.")
        except DomainError as refusal:
            form.show(refusal, drafts)
        else:
            if is_wanted:
                form.add_error(None, "You changed something after the preview. Look at it again, then publish.")
        return _page(model_admin, request, form, replaces=replaces, foreseen=foreseen, seen=seal(groups))
    return _page(model_admin, request, form, replaces=replaces)


def _publish(
    model_admin: Any,
    request: HttpRequest,
    program: Program,
    groups: list[GroupDraft],
    present: PartnerSequence | None,
    replaces: int,
) -> HttpResponse:
    with one_deed(request):
        made = define_sequence(
            program_id=program.pk, groups=groups, replaces=replaces, actor=actor_of(request), now=utc_now()
        )
        if made is None and present is not None:
            model_admin.log_change(request, present, "Ended")
        if made is not None and (present is None or made.pk != present.pk):
            model_admin.log_addition(request, made, f"Version {made.version}")
    if made is None:
        messages.success(request, f"{program.code} no longer has partners. Learners who are under way continue.")
        return HttpResponseRedirect(list_url(PartnerSequence))
    if present is not None and made.pk == present.pk:
        messages.info(request, "That is the present version; nothing was changed.")
    else:
        messages.success(
            request, (f"Published as version {made.version}. Learners who have already started keep theirs.")
        )
    return HttpResponseRedirect(admin_url(made))


def _replaces(request: HttpRequest, present: PartnerSequence | None) -> int:
    """Return the version that this person started from, 0 for none."""
    told = parse_whole_number(request.POST.get("replaces", ""))
    return told if told is not None else (present.version if present else 0)


def _by_whom(present: PartnerSequence | None) -> str:
    if present is None:
        return "Somebody has ended this sequence meanwhile."
    return f"Somebody has published version {present.version} meanwhile."


def _page(
    model_admin: Any,
    request: HttpRequest,
    form: SequenceForm,
    *,
    replaces: int,
    foreseen: ForeseenSequence | None = None,
    seen: str = "",
) -> HttpResponse:
    program = form.row
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Define a sequence",
        "opts": model_admin.opts,
        "program": program,
        "form": form,
        "replaces": replaces,
        "foreseen": foreseen,
        "seen": seen,
        "may_add": sum(len(group.steps) for group in form.groups) < MAX_STEPS,
        "here": editor_url(program),
        "cancel_url": list_url(PartnerSequence),
        "media": model_admin.media + form.media,
    }
    status = 422 if form.is_bound and form.errors else 200
    return TemplateResponse(request, "admin/partners/sequence.html", context, status=status)
