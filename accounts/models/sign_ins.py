from django.contrib.sessions.models import Session
from django.db import models

from .users import User


class StaffSignIn(models.Model):
    """A browser in which a staff member is signed in to the back office.

    Invariant: it exists as long as its session, and both are deleted together. It records the kind of browser
    and a range of addresses: enough to recognize one's own, but not where somebody was.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="staff_sign_in")
    browser = models.CharField(max_length=60)
    network = models.CharField(max_length=50)
    began_at = models.DateTimeField()
    last_used_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Sign-in {self.pk} of {self.user_id}"


class FamilySignIn(models.Model):
    """A browser in which a family is signed in by code.

    Invariant: it exists as long as its session, and both are deleted together. It records what people call the browser
    and its system, but no address, and only the day of the last use: enough to recognize one's own, and no more.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="family_sign_ins")
    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="family_sign_in")
    browser = models.CharField(max_length=20, blank=True)
    system = models.CharField(max_length=20, blank=True)
    began_at = models.DateTimeField()
    last_used_date = models.DateField()

    def __str__(self) -> str:
        return f"Sign-in {self.pk} of {self.user_id}"
