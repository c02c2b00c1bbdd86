"""Rows on the page of another row: they belong to its workspace, and require the same powers there."""

from typing import Any, cast

from django import forms
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest
from unfold.admin import TabularInline

from accounts.roles import Power

from .scoping import OF_ANOTHER, ScopedChoices, WorkspaceScopedAdmin
from .seen import SEEN, refuse_overtaken, tell_present

REMOVED = "Somebody removed a row after you opened this page, so nothing was saved. Open the page again."


class WorkspaceFormSet(forms.BaseInlineFormSet):
    """Checks that rows on their parent's page refer to the parent's workspace, which a new parent gets on that page.
    Saving them undoes nothing that others changed since the page was opened.
    """

    owner: WorkspaceScopedAdmin  # the page; the inline sets it

    @property
    def seen(self) -> list[tuple[str, str]]:
        """Return the hidden inputs in which the page tells what it showed of its rows: their names and values."""
        return [(form.add_prefix(SEEN), tell_present(form)) for form in self.initial_forms]

    def clean(self) -> None:
        super().clean()
        kept = [form for form in self.initial_forms if form not in self.deleted_forms]
        if any(form.instance.pk is None for form in kept):
            raise forms.ValidationError(REMOVED)
        for form in kept:
            refuse_overtaken(form)
        try:
            own = self.owner.workspace_id_of(self.instance)
        except ObjectDoesNotExist:  # its form lacks what leads to the workspace, and says so
            return
        for form in self.forms:
            for name, value in list(getattr(form, "cleaned_data", {}).items()):
                if own is not None and getattr(value, "workspace_id", own) != own:
                    form.add_error(name, OF_ANOTHER)


class ScopedInline(ScopedChoices, TabularInline):
    """Rows on their parent's page; they require the same power in the workspace as the parent."""

    view_power: Power = Power.VIEW
    add_power: Power | None = None
    change_power: Power | None = None
    delete_power: Power | None = None
    extra = 0
    formset = WorkspaceFormSet
    show_change_link = False
    hide_title = True
    template_before = "admin/inline_empty.html"  # without rows: `empty`, and `empty_help` for people who may add some

    @property
    def owner(self) -> WorkspaceScopedAdmin:
        """Return the page on which the rows are."""
        return cast(WorkspaceScopedAdmin, self.admin_site.get_model_admin(self.parent_model))

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        made: Any = super().get_formset(request, obj, **kwargs)
        made.owner = self.owner
        return made

    def _may(self, request: HttpRequest, power: Power | None, parent: Any) -> bool:
        return self.owner.may(request, power, parent)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.view_power, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.add_power, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.change_power, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.delete_power, obj)
