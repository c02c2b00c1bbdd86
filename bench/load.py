"""Clients that send requests as fast as they are answered: `python -m bench.load`, a process of its own.

It reads a job as JSON from stdin and prints the outcome as JSON. Each client keeps one connection and sends its next
request when the last one is answered. It writes raw bytes to asyncio's transports, so that the clients take little of
the CPU they share with the system they measure.
"""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .stack import HOST

HEAD = (
    "POST /api/enroll HTTP/1.1\r\n"
    f"Host: {HOST}\r\n"
    "X-Forwarded-Proto: https\r\n"
    "Authorization: Bearer {key}\r\n"
    "Content-Type: application/json\r\n"
    "Idempotency-Key: {idempotency_key}\r\n"
    "Content-Length: {length}\r\n\r\n"
)


@dataclass(slots=True)
class Job:
    """What to send: `requests` of them, or as many as fit in `seconds`. Of a hundred requests, `repeats` name a learner
    who already has a seat: half repeat the same request, and half are a new request with another key.
    """

    port: int
    key: str
    run: str
    tenants: list[int]
    clients: int = 16
    seconds: float = 0.0
    requests: int = 0
    repeats: int = 0


@dataclass(slots=True)
class Outcome:
    """Answers by status (those to new learners separately), and how long each took in seconds."""

    asked: int = 0
    fresh: Counter[int] = field(default_factory=Counter)
    repeated: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    example_of_failure: str = ""


class Requests:
    """Hands each client its next request: a new learner, or occasionally one who was enrolled before."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._number = 0
        self._done: list[int] = []
        self._asked = 0

    def next(self) -> tuple[bytes, int | None]:
        """Return the request's bytes, and the learner's number if the learner is new."""
        self._asked += 1
        slot = self._asked % 200
        if self._done and slot < 2 * self._job.repeats:
            number = self._done[(self._asked * 7919) % len(self._done)]
            return self._bytes(number, again=self._asked if slot % 2 else 0), None
        self._number += 1
        return self._bytes(self._number, again=0), self._number

    def enrolled(self, number: int) -> None:
        self._done.append(number)

    def _bytes(self, number: int, again: int) -> bytes:
        job = self._job
        profile = {
            "email": f"{job.run}.{number}@school.test",
            "first_name": "Jane",
            "last_name": "Doe",
            "grade_level": "3rd",
        }
        context = {"tenant_id": job.tenants[number % len(job.tenants)], "source": "district_portal"}
        body = json.dumps({"learner_profile": profile, "context": context})
        key = f"{job.run}-{number}-{again}"
        return (HEAD.format(key=job.key, idempotency_key=key, length=len(body)) + body).encode()


class Client(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, requests: Requests, outcome: Outcome, job: Job, stop_at: float) -> None:
        self._requests, self._outcome, self._job, self._stop_at = requests, outcome, job, stop_at
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        enough = self._job.requests and self._outcome.asked >= self._job.requests
        if enough or time.perf_counter() >= self._stop_at:
            self._transport.close()
            return
        self._outcome.asked += 1
        request, self._learner = self._requests.next()
        self._asked_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if separator and len(body) >= _content_length(head):
            self._outcome.latencies.append(time.perf_counter() - self._asked_at)
            self._received = b""
            self._count(int(head[9:12]), body)
            self._ask()

    def _count(self, status: int, body: bytes) -> None:
        if self._learner is None:
            self._outcome.repeated[status] += 1
        else:
            self._outcome.fresh[status] += 1
            if status == 200:
                self._requests.enrolled(self._learner)
        if status != 200:
            self._outcome.example_of_failure = body.decode(errors="replace")[:500]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _content_length(head: bytes) -> int:
    at = head.lower().index(b"content-length:") + 15
    return int(head[at:].partition(b"\r\n")[0])


async def run(job: Job) -> dict[str, Any]:
    """Run the job to its end; return its outcome in numbers (latencies in milliseconds, rates per second)."""
    requests, outcome = Requests(job), Outcome()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    stop_at = started + (job.seconds or float("inf"))
    connected = [
        await loop.create_connection(lambda: Client(requests, outcome, job, stop_at), "127.0.0.1", job.port)
        for _ in range(job.clients)
    ]
    await asyncio.gather(*(client.done for _, client in connected))
    seconds = time.perf_counter() - started
    percentiles = statistics.quantiles(outcome.latencies, n=100)
    return {
        "requests_per_second": len(outcome.latencies) / seconds,
        "enrollments_per_second": outcome.fresh[200] / seconds,
        "p50_ms": percentiles[49] * 1000,
        "p99_ms": percentiles[98] * 1000,
        "fresh": dict(outcome.fresh),
        "repeated": dict(outcome.repeated),
        "example_of_failure": outcome.example_of_failure,
    }


if __name__ == "__main__":
    json.dump(asyncio.run(run(Job(**json.load(sys.stdin)))), sys.stdout)
