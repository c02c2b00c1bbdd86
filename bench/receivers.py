"""`python -m bench.receivers`: how long messages to quick webhook receivers wait while others are slow.

The slow receivers alternate between resting and being due, in one process per turn. They rest twice in each round: the
difference between these two turns is the noise. In a control, one sender does all the work; there, a slow receiver must
visibly delay the others.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .gates import exit_code
from .servers import Servers, running_servers
from .work import ask, migrate

ROUNDS = 3
SECONDS = 5.0
QUICK_SECONDS = 1.0
QUICK_ENDPOINTS = 4
TURNS = ["resting", "due", "resting again"]
ANSWERS_AFTER = 9.0
LATER = 1.5  # how much later a message may be while others are slow, times the noise
SEEN = 5.0  # how much later it must be in the control
CONTROL = "control: one sender, one answers after 9 s"
# The kind of the other receivers, how many of them there are, and how many senders serve all receivers.
BESIDE = {
    "one answers after 9 s": ("slow", 1, None),
    "one never answers": ("silent", 1, None),
    "one has a name that is never found": ("nameless", 1, None),
    "16 answer after 9 s": ("slow", 16, None),
    CONTROL: ("slow", 1, 1),
}


class Receivers:
    """All receivers of a turn, by path; keeps how long each message to a quick one took."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.is_over = threading.Event()
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arrived = time.time()
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/over":
                    receivers.is_over.set()
                elif self.path != "/quick":
                    receivers.is_over.wait(ANSWERS_AFTER if self.path == "/slow" else 60)
                elif said["data"]["number"]:  # the first one does not count
                    receivers.waited.append(arrived - said["data"]["at"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


class Waits(dict[str, list[float]]):
    """By turn, the 95th percentile of the quick receivers' waiting times in seconds, one figure per round."""

    def __init__(self) -> None:
        super().__init__({turn: [] for turn in TURNS})

    @property
    def ratio(self) -> float:
        pairs = zip(self["due"], self["resting"], strict=True)
        return statistics.median(due / resting for due, resting in pairs)

    @property
    def noise(self) -> float:
        """Return how many times longer one resting turn took than the other."""
        pairs = [sorted(pair) for pair in zip(self["resting"], self["resting again"], strict=True)]
        return statistics.median(longer / shorter for shorter, longer in pairs)


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.receivers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; gates that every message arrives once")
    asked = parser.parse_args()
    rounds, seconds, turns = (1, QUICK_SECONDS, ["due"]) if asked.quick else (ROUNDS, SECONDS, TURNS)
    measured = [name for name in BESIDE if not (asked.quick and name == CONTROL)]
    found = {name: Waits() for name in BESIDE}
    failures: list[str] = []
    with running_servers() as servers:
        migrate(servers)
        for number in range(rounds):
            for name in measured:
                print(f"Round {number + 1} of {rounds}: {name} ...", file=sys.stderr)
                for turn in turns:
                    waited, missing = _measure(servers, name, turn, seconds)
                    found[name][turn].append(waited)
                    failures += missing
    if not asked.quick:
        _print(found)
        failures += _too_late(found)
    return exit_code(failures)


def _measure(servers: Servers, name: str, turn: str, seconds: float) -> tuple[float, list[str]]:
    """Return the waiting times of this turn, and whether a message was missing or came twice, in words."""
    kind, beside, senders = BESIDE[name]
    receivers = Receivers()
    told = ask(
        servers,
        "receivers_jobs",
        do="tell",
        port=receivers.port,
        quick=QUICK_ENDPOINTS,
        kind=kind,
        beside=beside,
        is_due=turn == "due",
        senders=senders,
        seconds=seconds,
    )
    arrived = len(receivers.waited)
    wrong = arrived != told["messages"]
    return (
        statistics.quantiles(receivers.waited, n=20)[18],
        [f"{name}: {arrived} messages arrived of {told['messages']}"] if wrong else [],
    )


def _too_late(found: dict[str, Waits]) -> list[str]:
    failures = []
    for name, waits in found.items():
        if name == CONTROL:
            if waits.ratio < SEEN:
                failures.append(f"{name}: the others wait {waits.ratio:.1f} times as long, so the load shows nothing")
        elif waits.ratio > LATER * waits.noise:
            failures.append(f"{name}: the others wait {waits.ratio:.2f} times as long, noise {waits.noise:.2f}")
    return failures


def _print(found: dict[str, Waits]) -> None:
    print(f"What messages to {QUICK_ENDPOINTS} quick receivers wait (p95), while others rest and while they are due")
    print(f"{'beside them':<44}{'rest':>10}{'due':>10}{'ratio':>8}{'noise':>8}")
    for name, waits in found.items():
        rest, due = (f"{statistics.median(figures) * 1000:,.0f} ms" for figures in (waits["resting"], waits["due"]))
        print(f"{name:<44}{rest:>10}{due:>10}{waits.ratio:>8.2f}{waits.noise:>8.2f}")


if __name__ == "__main__":
    sys.exit(main())
