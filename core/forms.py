"""What every form of ours asks of the texts that are typed into it."""

from django import forms

from .characters import trim, visibility_fault


def check_texts(form: forms.BaseForm) -> None:
    """Trim the cleaned texts of a form, and refuse control and invisible characters by the name of their field.

    A field shown as a text area may hold line breaks. Passwords stay as they were typed.
    """
    for name, field in form.fields.items():
        value = form.cleaned_data.get(name)
        if not isinstance(field, forms.CharField) or isinstance(field, forms.JSONField) or not value:
            continue
        if isinstance(field.widget, forms.PasswordInput):
            continue
        text = trim(str(value))
        if fault := visibility_fault(text, multiline=isinstance(field.widget, forms.Textarea)):
            form.add_error(name, fault)
        elif field.required and not text:
            form.add_error(name, field.error_messages["required"])
        else:
            form.cleaned_data[name] = text
