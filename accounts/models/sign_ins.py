from django.contrib.sessions.models import Session
from django.db import models

from .users import User


class StaffSignIn(models.Model):
    """A browser in which a staff member is signed in to the back office.

    Invariant: it exists as long as its session, and the database deletes both together. It records the kind of browser
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
