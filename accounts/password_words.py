"""Passwords that anybody who knows the person would try first.

Django's validators refuse short passwords, the twenty thousand leaked ones on its list, and those that resemble the
person's own address. The words of this platform and the names of workspaces are on no such list.
"""

import re

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError

from .models import User, Workspace

# Word stems, without the digits and punctuation that people append to them.
WORDS = (
    "enrollment",
    "enrolment",
    "platform",
    "district",
    "school",
    "student",
    "teacher",
    "learner",
    "program",
    "course",
    "cohort",
    "seat",
    "password",
    "welcome",
    "admin",
    "staff",
    "owner",
    "finance",
    "reviewer",
)
LETTERS_BESIDES = 5


class ForeseeableWordsValidator:
    """Refuses a password with few letters left once words of this platform and of the person's workspaces are gone."""

    def validate(self, password: str, user: AbstractBaseUser | AnonymousUser | None = None) -> None:
        """Raise ValidationError for such a password."""
        left = _letters(password)
        words = {*WORDS, *_words_of(user)}
        is_made_of_them = False
        for word in sorted(words, key=len, reverse=True):
            is_made_of_them |= word in left
            left = left.replace(word, "")
        if is_made_of_them and len(left) < LETTERS_BESIDES:
            raise ValidationError(
                "The words in this password are easy to guess. Add some that have nothing to do with your work.",
                code="password_foreseeable",
            )

    def get_help_text(self) -> str:
        return "Your password can't consist of words from your work, such as school or enrollment."


def _words_of(user: AbstractBaseUser | AnonymousUser | None) -> set[str]:
    if not isinstance(user, User) or user.pk is None:
        return set()
    names = Workspace.objects.filter(memberships__user=user).values_list("name", "slug")
    spelled = {word for pair in names for name in pair for word in re.split(r"[\W_]+", name.lower())}
    return {word for word in map(_letters, spelled) if len(word) > 2}


def _letters(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalpha())
