import threading
import time


class Breaker:
    """Stops calls to a provider that keeps failing: after `failures` in a row, no calls are made for `seconds`.

    After that, calls go through again, and the first failure stops them again. State is per process and safe between
    threads. The packaged breakers hold their lock during the call, which would make concurrent calls wait for each
    other.
    """

    def __init__(self, *, failures: int, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._open_until = 0.0

    def seconds_left(self) -> float:
        """Return how many seconds remain before the provider may be called; 0 if it may be called now."""
        return max(0.0, self._open_until - time.monotonic())

    def record_failure(self) -> None:
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._open_until = time.monotonic() + self._seconds

    def record_answer(self) -> None:
        """Record that the provider answered, even if the answer was a refusal."""
        with self._lock:
            self._in_a_row = 0
