"""Sign-in by emailed code, for families. Staff sign in to the back office with their password; with a code they see
what is their own family's, as anybody does."""

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from core.addresses import canonical_address

from .models import User


def find_or_open_account(*, email: str) -> User | None:
    """The account a sign-in code may be sent for, opened if nobody has one at this address.

    An account opened here shows nothing before a code proved that the mailbox is theirs. None for those who run
    the platform (nothing of theirs hangs on a mailbox alone) and for accounts that were switched off.
    """
    address = canonical_address(email)
    try:
        with transaction.atomic():
            user = User.objects.filter(email=address).first() or User.objects.create_user(address)
            EmailAddress.objects.get_or_create(user=user, email=address)
    except IntegrityError:  # the same person asked twice at once
        user = User.objects.get(email=address)
    return user if user.is_active and not user.is_superuser else None


def proven_address(*, user: User) -> str | None:
    """The address this person signs in by, once a code has shown that its mailbox is theirs."""
    proven = EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists()
    return user.email if proven else None
