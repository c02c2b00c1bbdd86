"""The mails about an object, as they appear in its story."""

from backoffice.display import admin_url, badge
from backoffice.stories import Happening

from .models import Notification
from .wording import label_of


def tell_mail(row: Notification) -> Happening:
    return Happening(
        title=f"Mail: {label_of(row.kind)}",
        icon="mail",
        badge=badge(row.status, row.get_status_display()),
        note=f"To {row.recipient}",
        url=admin_url(row),
    )
