"""What visitors choose and type on the course pages."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.consent_fields import add_consents
from accounts.models import ConsentText, Learner
from core.forms import check_texts

MYSELF = "me"
NEW_CHILD = "child"


class CatalogForm(forms.Form):
    """How the catalog is filtered and sorted; invalid values are ignored."""

    SORTS = (
        ("nextCohort", _("Starting soonest")),
        ("title", _("Title")),
        ("price", _("Price, lowest first")),
        ("-price", _("Price, highest first")),
    )

    SORTED = {  # the arguments of sort_courses(): the column, and whether the highest come first
        "nextCohort": ("nextCohortStartDate", False),
        "title": ("title", False),
        "price": ("priceInCents", False),
        "-price": ("priceInCents", True),
    }

    search = forms.CharField(label=_("Search"), required=False, max_length=100)
    sort = forms.ChoiceField(label=_("Sort by"), required=False, choices=SORTS)
    free = forms.BooleanField(label=_("Only with free places"), required=False)


class NameForm(forms.Form):
    """A learner's name. It is needed only if its radio button is chosen, so the browser must not require it."""

    use_required_attribute = False

    first_name = forms.CharField(
        label=_("First name"), max_length=150, error_messages={"required": _("Type the first name.")}
    )
    last_name = forms.CharField(
        label=_("Last name"), max_length=150, error_messages={"required": _("Type the last name.")}
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned


class LearnerForm(forms.Form):
    """Who the course is for: `learner` is a learner's CUID, MYSELF or NEW_CHILD; the last two bring a name."""

    learner = forms.ChoiceField(
        error_messages={
            "required": _("Choose who the course is for."),
            "invalid_choice": _("This is not one of your learners. Choose who the course is for."),
        }
    )
    voucher = forms.CharField(label=_("Voucher code"), required=False, max_length=60)

    def __init__(
        self, *args: Any, learners: Iterable[Learner], texts: Sequence[ConsentText] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.texts = add_consents(self, texts, insists=False)
        known = [(learner.cuid, str(learner)) for learner in learners]
        field = self.fields["learner"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [*known, (MYSELF, _("Me")), (NEW_CHILD, _("A child"))]
        chosen = self.data.get("learner")
        self.names = {
            prefix: NameForm(self.data if prefix == chosen else None, prefix=prefix) for prefix in (MYSELF, NEW_CHILD)
        }

    def is_valid(self) -> bool:
        """Validate the name too, if the choice asks for one."""
        chosen = super().is_valid() and self.names.get(self.cleaned_data["learner"])
        return self.cleaned_data.get("learner") is not None and (not chosen or chosen.is_valid())

    @property
    def consents(self) -> list[forms.BoundField]:
        """Return the consents that the workspace asks for. The use case knows what this learner's family agreed to."""
        return [self[name] for name in self.texts]

    @property
    def given(self) -> list[int]:
        """Return the ids of the texts that were agreed to."""
        return [text.pk for name, text in self.texts.items() if self.cleaned_data[name]]

    @property
    def asked_name(self) -> NameForm | None:
        """Return the name that belongs to the choice made."""
        return self.names.get(self.cleaned_data["learner"])
