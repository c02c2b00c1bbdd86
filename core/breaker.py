import threading
import time


class Breaker:
    """Stops asking a provider that keeps failing: after `failures` in a row it is left alone for `seconds`.

    Then calls go through again, and the first one that fails opens it again. Per process, safe between threads. The
    packaged ones hold their lock during the call, which would make concurrent calls wait for each other.
    """

    def __init__(self, *, failures: int, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._open_until = 0.0

    def seconds_left(self) -> float:
        """How long the provider is still left alone; 0 when it may be asked."""
        return max(0.0, self._open_until - time.monotonic())

    def record_failure(self) -> None:
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._open_until = time.monotonic() + self._seconds

    def record_answer(self) -> None:
        """It answered, be it with a refusal."""
        with self._lock:
            self._in_a_row = 0
