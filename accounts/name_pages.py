"""The page on which a family corrects a learner's name."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from core.actors import Actor
from core.clock import utc_now
from core.errors import DomainError, Invalid
from core.forms import check_texts

from .families import learners_of
from .family_pages import for_families
from .models import Learner, User
from .name_changes import ask_for_name, find_last, find_waiting


class NameForm(forms.Form):
    first_name = forms.CharField(label=gettext_lazy("First name"), max_length=150)
    last_name = forms.CharField(label=gettext_lazy("Last name"), max_length=150)

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def change_name(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Correct the name of one of the family's learners, at once or by asking the program."""
    learner = learners_of(user).filter(cuid=cuid).select_related("workspace").first()
    if learner is None:
        raise Http404
    now_called = {"first_name": learner.first_name, "last_name": learner.last_name}
    form = NameForm(request.POST if request.method == "POST" else None, initial=now_called)
    if request.method != "POST":
        return _render(request, learner, form)
    if not form.is_valid():
        return _render(request, learner, form, status=422)
    try:
        change = ask_for_name(
            learner_id=learner.pk,
            first_name=form.cleaned_data["first_name"],
            last_name=form.cleaned_data["last_name"],
            actor=Actor("user", user.pk),
            now=utc_now(),
        )
    except Invalid:
        form.add_error("first_name", _("This is already the name on record."))
        return _render(request, learner, form, status=422)
    except DomainError as refusal:
        return _render(request, learner, form, problem=refusal.title, status=409)
    if not change.is_applied:
        messages.success(request, _("You asked for it. The program looks at it and changes the name, or says why not."))
        return redirect("learner-name", cuid=cuid)
    messages.success(request, _("The name is %(name)s now.") % {"name": change.after})
    return redirect("my-enrollments")


def _render(
    request: HttpRequest, learner: Learner, form: NameForm, *, problem: str = "", status: int = 200
) -> HttpResponse:
    last = find_last(learner)
    context = {
        "learner": learner,
        "form": form,
        "waiting": find_waiting(learner),
        "declined": last if last is not None and last.state == "declined" else None,
        "problem": problem,
    }
    return render(request, "account/learner_name.html", context, status=status)
