"""The self-enrollment form as visitors see it: fixed questions about the learner, followed by the staff's questions."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.consent_fields import add_consents
from accounts.models import ConsentText, Learner
from core.addresses import address_fault
from core.characters import trim
from core.forms import check_texts
from core.ids import is_cuid, new_cuid
from core.local_time import validate_date
from core.text import limit_of

from .application.answers import LONG_TEXT_LENGTH, SHORT_TEXT_LENGTH, keep_answer
from .application.files import MEDIA_TYPES, Upload, find_fault, find_media_type
from .application.receive import FilledForm
from .models import ApplicationQuestion
from .states import Applicant, QuestionKind

# A number with at most this many digits is the same in JSON, in the database, and in a criterion.
DIGITS = 15
DECIMALS = 4
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class ApplyForm(forms.Form):
    """Who applies, for whom, and the instance's own questions as fields q_1, q_2 … by their number."""

    submission = forms.CharField(widget=forms.HiddenInput, max_length=32)
    # People don't see this field and leave it empty; bots that fill in every field give themselves away.
    website = forms.CharField(required=False, label=_("Leave this field empty"), max_length=500)
    applicant = forms.ChoiceField(
        label=_("Who are you?"),
        choices=Applicant.choices,
        error_messages={"required": _("Say whether you apply for a child or for yourself.")},
    )
    email = forms.EmailField(
        label=_("Your email address"),
        help_text=_("We mail you a link to confirm it. News about the application goes there."),
        max_length=254,
        error_messages={
            "required": _("Type your email address."),
            "invalid": _("Type an address like name@example.org."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    first_name = forms.CharField(
        label=_("First name"),
        max_length=limit_of(Learner, "first_name"),
        error_messages={"required": _("Type the learner's first name.")},
    )
    last_name = forms.CharField(
        label=_("Last name"),
        max_length=limit_of(Learner, "last_name"),
        error_messages={"required": _("Type the learner's last name.")},
    )
    grade_level = forms.CharField(label=_("Grade"), required=False, max_length=limit_of(Learner, "grade_level"))
    school = forms.CharField(label=_("School"), required=False, max_length=limit_of(Learner, "school"))

    def __init__(
        self, *args: Any, questions: Sequence[ApplicationQuestion], texts: Sequence[ConsentText] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.texts = add_consents(self, texts)
        self.questions = {f"q_{question.pk}": question for question in questions}
        for name, question in self.questions.items():
            self.fields[name] = _field_for(question)
        self.fields["submission"].initial = new_cuid

    @property
    def asked(self) -> list[forms.BoundField]:
        """Return the fields of the instance's own questions, in their order."""
        return [self[name] for name in self.questions]

    @property
    def consents(self) -> list[forms.BoundField]:
        """Return the fields of the consents that the workspace asks for."""
        return [self[name] for name in self.texts]

    @property
    def faults(self) -> list[tuple[forms.BoundField, str]]:
        """Return the faults, field by field, for the summary above the form."""
        return [(self[name], str(found[0])) for name, found in self.errors.items() if name in self.fields]

    @property
    def loses_files(self) -> bool:
        """Return whether files were chosen that the browser will not resend by itself."""
        return bool(self.errors) and any(name in self.files for name in self.questions)

    @property
    def is_by_a_program(self) -> bool:
        """Return whether the field that people don't see was filled in."""
        return bool(self.data.get("website"))

    def clean_submission(self) -> str:
        submission = self.cleaned_data["submission"]
        if not is_cuid(submission):
            raise forms.ValidationError(gettext("Reload the page, then fill in the form again."))
        return str(submission)

    def clean_email(self) -> str:
        address = self.cleaned_data["email"]
        if fault := address_fault(address):
            raise forms.ValidationError(fault)
        return str(address)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned

    def filled(self) -> FilledForm:
        """Return the contents of the valid form."""
        told = self.cleaned_data
        answers: dict[str, Any] = {}
        uploads: list[Upload] = []
        for name, question in self.questions.items():
            value = told[name]
            if isinstance(value, UploadedFile):
                uploads.append(_upload(question, value))
                answers[question.key] = {"name": uploads[-1].name}
            elif value not in (None, ""):
                answers[question.key] = keep_answer(value)
        return FilledForm(
            applicant=Applicant(told["applicant"]),
            email=told["email"],
            first_name=told["first_name"],
            last_name=told["last_name"],
            grade_level=told["grade_level"],
            school=told["school"],
            answers=answers,
            uploads=uploads,
            consents=[text.pk for name, text in self.texts.items() if told[name]],
        )


class VoucherForm(forms.Form):
    """A code that lowers the price to pay for an application."""

    voucher = forms.CharField(
        label=_("Voucher code"), required=False, max_length=60, widget=forms.TextInput({"autocomplete": "off"})
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        return cleaned


class KnownFileField(forms.FileField):
    """A file of a kind that staff can open, detected from its bytes."""

    widget = forms.FileInput

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = super().clean(data, initial)
        if isinstance(file, UploadedFile) and (fault := find_fault(file)):
            raise forms.ValidationError(fault)
        return file


class PlainNumberField(forms.DecimalField):
    """A number as people write it here; Django's own field also accepts 1_000, 1e3, and the digits of every script."""

    def to_python(self, value: Any) -> Any:
        text = trim(str(value)) if value is not None else ""
        if text and not _NUMBER.fullmatch(text):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(text)


def _upload(question: ApplicationQuestion, file: "UploadedFile[bytes]") -> Upload:
    media_type = find_media_type(file) or ""  # never empty: the field has accepted the file
    return Upload(question.pk, (file.name or "")[-100:], media_type, file)


def _field_for(question: ApplicationQuestion) -> forms.Field:
    common: dict[str, Any] = {
        "label": question.label,
        "help_text": question.help_text,
        "required": question.is_required,
    }
    missing = {"required": gettext("Answer this question.")}
    match question.kind:
        case QuestionKind.LONG_TEXT:
            widget = forms.Textarea(attrs={"rows": 5})
            return forms.CharField(max_length=LONG_TEXT_LENGTH, widget=widget, error_messages=missing, **common)
        case QuestionKind.CHOICE:
            options = [("", gettext("Choose …")), *((option, option) for option in question.choices)]
            refusals = {"required": gettext("Choose one."), "invalid_choice": gettext("Choose one of the options.")}
            return forms.ChoiceField(choices=options, error_messages=refusals, **common)
        case QuestionKind.NUMBER:
            refusals = missing | {"invalid": gettext("Type a number, such as 12 or 3.5.")}
            return PlainNumberField(max_digits=DIGITS, decimal_places=DECIMALS, error_messages=refusals, **common)
        case QuestionKind.DATE:
            return forms.DateField(
                validators=[validate_date],
                widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
                error_messages=missing | {"invalid": gettext("Type a date like 2027-01-31.")},
                **common,
            )
        case QuestionKind.FILE:
            common["help_text"] = " ".join(
                part for part in (question.help_text, gettext("PDF, JPEG, PNG, WebP or HEIC, at most 5 MB.")) if part
            )
            refusals = {
                "required": gettext("Choose a file."),
                "empty": gettext("The file is empty. Choose another one."),
            }
            return KnownFileField(
                widget=forms.FileInput(attrs={"accept": MEDIA_TYPES}), error_messages=refusals, **common
            )
        case QuestionKind.CONSENT:
            return forms.BooleanField(error_messages={"required": gettext("Check the box to agree.")}, **common)
        case _:
            return forms.CharField(max_length=SHORT_TEXT_LENGTH, error_messages=missing, **common)
