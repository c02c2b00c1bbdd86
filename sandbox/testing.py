"""The sandbox for tests: a separate process, started on a free port and controlled through its control API."""

import fcntl
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 5.0
PORTS = range(20_000, 32_000)  # below the ports that the kernel assigns by itself
LEASES = Path(tempfile.gettempdir()) / f"ports-of-tests-{os.getuid()}"
Body = dict[str, Any]


class SandboxProcess:
    """A context manager around `python -m sandbox` with a temporary database.

    `webhook_url` may be empty (nothing is delivered) and can be changed later by `send_webhooks_to`. `retry_seconds` is
    the first wait before an unanswered webhook is resent.
    """

    def __init__(
        self,
        *,
        webhook_url: str = "",
        secret: str = "whsec_sandbox",  # noqa: S107  (a test's secret)
        api_key: str = "sk_test_sandbox",
        retry_seconds: float = 1.0,
    ) -> None:
        self.secret = secret
        self.api_key = api_key
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = tempfile.TemporaryDirectory(prefix="sandbox-")
        self._environment = {
            **os.environ,
            "SANDBOX": "1",
            "SANDBOX_PORT": str(self.port),
            "SANDBOX_PUBLIC_URL": self.url,
            "SANDBOX_DATABASE": str(Path(self._directory.name) / "sandbox.sqlite3"),
            "SANDBOX_WEBHOOK_URL": webhook_url,
            "SANDBOX_WEBHOOK_RETRY_SECONDS": str(retry_seconds),
            "STRIPE_SECRET_KEY": api_key,
            "STRIPE_WEBHOOK_SECRET": secret,
        }
        self._environment.pop("DJANGO_SETTINGS_MODULE", None)
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._http.close()
        self._directory.cleanup()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("The sandbox is not running.")
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log_path.read_text() if self._log_path.exists() else ""

    def start(self) -> None:
        """Start, also again after `stop`: same port, same data. Raises RuntimeError if it does not come up."""
        with self._log_path.open("ab") as log:
            command = [sys.executable, "-m", "sandbox"]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)  # noqa: S603
        try:
            wait_until(self._is_healthy, seconds=START_SECONDS)
        except TimeoutError as error:
            self.stop()
            raise RuntimeError(f"The sandbox did not start:\n{self.log}") from error

    def stop(self) -> None:
        """Stop the process, by force if it does not exit by itself."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def pay(self, session_url: str, *, card: str = "ok", email: str = "", **company: str) -> httpx.Response:
        """Press Pay on the hosted page: `card` is ok, declined, or async. A company gives `name` and `tax_id`. The
        redirect to success_url is not followed.
        """
        return self._http.post(f"{session_url}/pay", data={"card": card, "email": email, **company})

    def cancel(self, session_url: str) -> httpx.Response:
        return self._http.post(f"{session_url}/cancel")

    def settle(self, session_url: str, *, outcome: str = "succeeded") -> httpx.Response:
        """Settle the bank debit that `pay(card="async")` began, as succeeded or failed."""
        return self._http.post(f"{session_url}/settle", data={"outcome": outcome})

    def faults(self, **knobs: Any) -> list[Body]:
        """Set the given knobs (False turns one off) and return all that are in force."""
        faults: list[Body] = self.control("faults", knobs)["faults"]
        return faults

    def clear_faults(self) -> None:
        self._http.delete("/_sandbox/faults").raise_for_status()

    def flush(self, *, order: list[str] | None = None, reverse: bool = False) -> list[Body]:
        """Deliver the held webhooks now and return the deliveries with their responses."""
        deliveries: list[Body] = self.control("webhooks/flush", {"order": order or [], "reverse": reverse})[
            "deliveries"
        ]
        return deliveries

    def redeliver(self, event_id: str) -> Body:
        return self.control("webhooks/redeliver", {"event_id": event_id})

    def send_webhooks_to(self, url: str, *, secret: str = "") -> None:
        self.control("webhooks/endpoint", {"url": url, "secret": secret})

    def deliveries(self) -> list[Body]:
        """Return the deliveries, newest first, with their state: pending, held, dropped, delivered, or failed."""
        deliveries: list[Body] = self._read("webhooks")["deliveries"]
        return deliveries

    def wait_for_deliveries(self, *, seconds: float = 60.0) -> list[Body]:
        """Wait until no webhook is pending; raises TimeoutError after `seconds`."""
        wait_until(
            lambda: not [delivery for delivery in self.deliveries() if delivery["state"] == "pending"], seconds=seconds
        )
        return self.deliveries()

    def ledger(self, **metadata: str) -> Body:
        """Return the money seen; with metadata, only for the sessions that carry it."""
        return self._read("ledger", {f"metadata[{key}]": value for key, value in metadata.items()})

    def advance_clock(self, *, seconds: int) -> int:
        """Move the sandbox's clock ahead; sessions that are due have expired when this returns."""
        now: int = self.control("clock/advance", {"seconds": seconds})["now"]
        return now

    def settle_refund(self, refund: str, *, outcome: str = "succeeded", **more: str) -> Body:
        return self.control("refunds/settle", {"refund": refund, "outcome": outcome, **more})

    def open_dispute(
        self, payment_intent: str, *, reason: str = "fraudulent", amount: int | None = None, status: str = ""
    ) -> Body:
        """Dispute a payment, or with a `warning_` status inquire about it; all of it, or `amount` minor units."""
        body = {"payment_intent": payment_intent, "reason": reason, "status": status or "needs_response"}
        return self.control("disputes", body | ({"amount": amount} if amount else {}))

    def close_dispute(self, dispute: str, *, outcome: str, given_back: int = 0) -> Body:
        """Give a dispute the status `outcome`, any of Stripe's; if it is lost, part of it may be given back."""
        body = {"dispute": dispute, "outcome": outcome}
        return self.control("disputes/close", body | ({"given_back": given_back} if given_back else {}))

    def pay_out(self, **when: int) -> list[Body]:
        """Pay out the balance to the bank, one payout per currency."""
        made: list[Body] = self.control("payouts", dict(when))["payouts"]
        return made

    def partner(self, slug: str, **settings: Any) -> Body:
        """Set up a partner's system (`api_key`, `honors_keys`, `webhook_url`, `secret`, `dialect`); return its books:
        who was ever enrolled there, and its messages.
        """
        return self.control(f"lms/{slug}", settings)

    def receiver(self, slug: str, **settings: Any) -> Body:
        """Set up a receiver of the platform's webhooks (`secret`, `mode`); return what arrived there."""
        return self.control(f"receivers/{slug}", settings)

    def take_course(self, launch_url: str, *, button: str = "complete") -> httpx.Response:
        """Press a button on the course page: `progress` or `complete`."""
        return self._http.post(f"{launch_url.replace('/launch/', '/enrollments/')}/{button}")

    def flush_partners(self) -> int:
        """Send the partners' messages that were held back; returns how many."""
        released: int = self.control("lms-flush", {})["released"]
        return released

    def invoicing(self, slug: str, **settings: Any) -> Body:
        """Set up an account at Fakturownia (`api_token`, `reports`); return its books: every document it issued."""
        return self.control(f"fakturownia/{slug}", settings)

    def reset(self) -> None:
        """Delete everything, including faults and the clock's offset; webhooks go where they went at the start."""
        self.control("reset", {})

    def control(self, path: str, body: Body) -> Body:
        """POST to the control API; raises httpx.HTTPStatusError with its explanation if it refuses."""
        return _answer(self._http.post(f"/_sandbox/{path}", json=body))

    def _read(self, path: str, params: dict[str, str] | None = None) -> Body:
        return _answer(self._http.get(f"/_sandbox/{path}", params=params))

    @property
    def _log_path(self) -> Path:
        return Path(self._directory.name) / "sandbox.log"

    def _is_healthy(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"The sandbox ended while starting:\n{self.log}")
        try:
            return self._http.get("/_sandbox/health", timeout=2).is_success
        except httpx.HTTPError:
            return False


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens, and that no other test process gets while this one lives.

    A web server shares its port with any other that asks for it (SO_REUSEPORT): with two on one port, neither would
    fail, and each would answer half of the requests. Outgoing connections use ports above these.
    """
    LEASES.mkdir(exist_ok=True)
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if _lease(port) and _is_free(port):
            return port
    raise RuntimeError(f"No port of {PORTS.start} to {PORTS.stop - 1} is free")


def _lease(port: int) -> bool:
    lease = os.open(LEASES / str(port), os.O_RDWR | os.O_CREAT, 0o600)  # kept open: the lease ends with this process
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lease)
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Poll until the condition holds; raises TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {seconds} seconds")
        time.sleep(0.02)


def _answer(response: httpx.Response) -> Body:
    if response.is_error:
        message = f"{response.status_code}: {response.text}"
        raise httpx.HTTPStatusError(message, request=response.request, response=response)
    body: Body = response.json()
    return body
