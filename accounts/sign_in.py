"""Sign-in by emailed code, for families. Staff sign in to the back office with their password; with a code, they see
their own family's data, like anybody else."""

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from core.addresses import canonical_address

from .models import User


def find_or_open_account(*, email: str) -> User | None:
    """Return the account for which a sign-in code may be sent, opened if nobody has one at this address.

    An account opened here shows nothing until a code has proven the mailbox. None for the platform's operators (their
    access never depends on a mailbox alone) and for disabled accounts.
    """
    address = canonical_address(email)
    try:
        with transaction.atomic():
            user = User.objects.filter(email=address).first() or User.objects.create_user(address)
            EmailAddress.objects.get_or_create(user=user, email=address)
    except IntegrityError:  # the same person made two requests at once
        user = User.objects.get(email=address)
    return user if user.is_active and not user.is_superuser else None


def proven_address(*, user: User) -> str | None:
    """Return the address with which this person signs in, once a code has proven its mailbox."""
    proven = EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()
    return user.email if proven else None
