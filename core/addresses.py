"""Email addresses: each mailbox has one spelling, by which it is stored, looked up, and written to.

Two spellings are the same address only where the standards say that they reach the same mailbox:

- The part after the @ is a domain name. It is mapped by UTS 46 (which folds case and compatibility forms) and stored as
  the A-labels of IDNA 2008, so `Fußball.test` and `xn--fuball-cta.test` are one domain and `fussball.test` is another.
- The part before the @ belongs to the mail server (RFC 5321, 2.3.11). We fold the case of ASCII letters, which no
  server in use distinguishes, and nothing else: U+0131 is not an i.
"""

from typing import Any

import idna
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext as _

MAX_LENGTH = 254  # RFC 5321, 4.5.3.1.3, minus the angle brackets


def canonical_address(text: str) -> str:
    """Return the canonical spelling of an address. Text that is not an address comes back trimmed, so a search may pass
    part of one.
    """
    local, at, domain = text.strip().rpartition("@")
    if not at:
        return text.strip()
    return f"{local.lower() if local.isascii() else local}@{_canonical_domain(domain)}"


def _canonical_domain(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode()
    except idna.IDNAError:
        return domain


def address_fault(text: str) -> str:
    """Return a sentence that says why this address can't receive mail and how to fix it; empty if it can."""
    address = canonical_address(text)
    local, _at, domain = address.rpartition("@")
    if len(address) > MAX_LENGTH:
        return _("An email address has at most %(most)s characters.") % {"most": MAX_LENGTH}
    if not local.isascii():
        return _(
            "Use an address with only plain letters, digits and signs before the @: mail to other addresses is not "
            "delivered."
        )
    try:
        validate_email(address)
    except ValidationError:
        return _("Enter an email address, such as name@example.org.")
    if local.startswith('"') or domain.startswith("["):
        return _("Enter an email address without quotation marks or brackets, such as name@example.org.")
    return ""


def validate_address(text: str) -> None:
    """Raise ValidationError for anything that is not an email address."""
    if fault := address_fault(text):
        raise ValidationError(fault, code="invalid")


class AddressFormField(forms.EmailField):
    """An email address, cleaned to its canonical spelling."""

    default_validators = [validate_address]

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        return canonical_address(cleaned) if cleaned else cleaned


class AddressField(models.EmailField):  # type: ignore[type-arg]  # generic for the type checker only
    """A column of email addresses. Values stored or looked up in it are first converted to canonical spelling."""

    default_validators = [validate_address]
    description = "Email address"

    def deconstruct(self) -> Any:
        """Deconstruct as an EmailField: the column is the same."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.EmailField", args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return canonical_address(prepared) if isinstance(prepared, str) else prepared

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self.get_prep_value(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": AddressFormField, **kwargs})
