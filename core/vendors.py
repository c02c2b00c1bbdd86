"""A vendor's HTTP API that speaks JSON, called through the one hardened client and judged by one rule.

A breaker protects it. The result is one of three: an answer, a refusal (the vendor understood, and a repeated call
would get the same reply), or "not now" (no answer, an overload, the vendor's own fault, or a key that it does not
accept yet).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .breaker import Breaker
from .outbound import Answer, NoAnswer, NotSent, ask
from .timings import timed_call

T = TypeVar("T")

TOO_MANY_REQUESTS = 429
# Refused keys are the staff's mistake, not a fault of the request: with the right key, the same call succeeds.
LATER = frozenset((401, 403, 408, 425, TOO_MANY_REQUESTS))
# The longest we wait at a vendor's request; after that it is called again, and may ask for more time.
LONGEST_WAIT_SECONDS = 3600.0


class VendorDown(Exception):
    """No answer, or "not now". The outcome of the call is unknown, unless the vendor was not even called."""

    def __init__(
        self, detail: str, *, wait_seconds: float = 0.0, was_asked: bool = True, is_busy: bool = False
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.is_busy = is_busy  # it is up, and asks us to slow down
        self.wait_seconds = wait_seconds  # the minimum time before calling it again
        self.was_asked = was_asked


class VendorRefuses(Exception):
    """The vendor understood and refuses. `answer` is what it said, for staff."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}")
        self.answer = answer


class Misread(ValueError):
    """A vendor's answer does not have the expected form; the message tells staff where."""


class Vendor:
    """One account at one vendor. `name` is how messages call it: "The partner"; `label` is its name in metrics."""

    def __init__(self, name: str, *, label: str, breaker: Breaker, seconds: float) -> None:
        self._name = name
        self._label = label
        self._breaker = breaker
        self._seconds = seconds

    def ask(
        self,
        method: str,
        url: str,
        read: Callable[[Answer], T],
        *,
        headers: Mapping[str, str],
        body: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> T:
        """Send a request and `read` its answer; an unreadable one counts as none. Raises VendorDown, VendorRefuses."""
        if wait := self._breaker.seconds_left():
            raise VendorDown(
                f"{self._name} kept failing and is left alone for a while.", wait_seconds=wait, was_asked=False
            )
        with timed_call(self._label) as outcome:
            try:
                answer = ask(method, url, headers=headers, body=body, params=params, seconds=self._seconds)
            except (NotSent, NoAnswer) as error:
                self._breaker.record_failure()
                raise VendorDown(str(error)) from error
            if answer.status < 500 and answer.status not in LATER:
                outcome.name = "answered" if 200 <= answer.status < 300 else "refused"
        if answer.status >= 500:
            self._breaker.record_failure()
        if answer.status in LATER or answer.status >= 500:
            pause = answer.retry_after(longest=LONGEST_WAIT_SECONDS)
            is_busy = answer.status == TOO_MANY_REQUESTS
            raise VendorDown(f"{self._name} answered {answer.status}.", wait_seconds=pause, is_busy=is_busy)
        if not 200 <= answer.status < 300:
            self._breaker.record_answer()
            raise VendorRefuses(answer)
        try:
            found = read(answer)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self._breaker.record_failure()
            where = f" ({error})" if isinstance(error, Misread) else ""
            raise VendorDown(f"{self._name} answered something else than was asked for{where}.") from error
        self._breaker.record_answer()
        return found
