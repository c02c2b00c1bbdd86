"""A new password for staff who have forgotten theirs, or who joined without one."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse

from core.addresses import canonical_address

from .link_mail import send_link_mail
from .models import User


def mail_password_link(*, email: str) -> None:
    """Send the link to the staff member at this address; send nothing to anybody else.

    The platform's operators get none either: their access never depends on a mailbox alone, and they use `manage.py
    changepassword`. Raises Unavailable.
    """
    staff = User.objects.filter(is_active=True, is_staff=True, is_superuser=False)
    user = staff.filter(email=canonical_address(email)).first()
    if user is None:
        return
    path = reverse("staff-password", args=[user.pk, default_token_generator.make_token(user)])
    context = {"url": settings.PUBLIC_URL + path, "minutes": settings.PASSWORD_RESET_TIMEOUT // 60}
    send_link_mail(template="account/email/staff_password", to=user.email, context=context)


def mail_second_factor_reset(*, email: str) -> None:
    """Tell a staff member that a colleague has reset their second factor. Raises Unavailable."""
    context = {"url": settings.PUBLIC_URL + reverse("staff-second-factor")}
    send_link_mail(template="account/email/staff_second_factor_reset", to=email, context=context)
