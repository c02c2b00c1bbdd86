"""A kind of email for tests, and mail servers that work or fail."""

from notifications.letters import Attachment, Email
from notifications.models import Notification

KIND = "test_news"


class Letters:
    """Renders the test's kind: what `answer` says, or nothing, or an error."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.answer: Email | Exception | None = Email(
            "News", "It is so.\n", "<p>It is so.</p>", (Attachment("news.txt", b"so", "text/plain"),)
        )

    def __call__(self, notification: Notification) -> Email | None:
        self.asked.append(notification.params)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
