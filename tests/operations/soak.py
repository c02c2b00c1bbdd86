"""`make soak`: the stack of `make run` under four writers for some minutes, then a check that everything is intact.

Each writer does what one kind of client does, as fast as it is answered: an integrator enrolls, families sign in and
buy, staff work in the back office, and Stripe sends notices. The exit code is 1, with a list, if a process was
replaced, anything was lost, an answer was a 5xx, a log line was an error, or the doctor finds a breach.
"""

import contextlib
import dataclasses
import hashlib
import hmac
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import psutil

from sandbox.testing import wait_until

from .running import PARTS, ROOT, named, place

MINUTES = float(os.environ.get("MINUTES", "10"))
START_SECONDS = 300.0
DRAIN_SECONDS = 300.0
OPERATOR, PASSWORD = "operator@demo.test", "explore-the-demo"  # of the demo
SECRET = "whsec_sandbox"  # of the development settings
CODE = re.compile(r"^[A-Z0-9]{4}-?[A-Z0-9]{4}$", re.MULTILINE)
COURSE = "CODE"
LISTS = (
    "enrollments/enrollment",
    "enrollments/enrollmentdecision",
    "billing/payment",
    "billing/checkout",
    "cohorts/cohort",
    "cohorts/studentpackage",
    "accounts/stafftask",
    "events/outboxevent",
    "notifications/notification",
)
ERROR_LINE = re.compile(r"\[(error|critical) +\]|Traceback|is started again|Exception ignored")
SERVER_ERROR = re.compile(r": 5\d\d in \d+ ms")


class Forms(HTMLParser):
    """What a browser would send of each form of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = [{}]
        self._select = self._area = ""
        self.feed(html)

    def holding(self, field: str) -> dict[str, str] | None:
        """Return the form that has this field."""
        return next((form for form in self.forms if field in form), None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found, form = dict(attrs), self.forms[-1]
        name = found.get("name") or ""
        if tag == "form":
            self.forms.append({})
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in found or self._select not in form):
            form[self._select] = found.get("value") or ""
        elif tag == "textarea":
            self._area, form[name] = name, ""
        elif tag == "input" and name:
            kind = found.get("type")
            is_chosen = kind not in ("checkbox", "radio") or "checked" in found
            if kind == "radio":
                form.setdefault(name, "")
            if is_chosen and kind not in ("submit", "file", "button"):
                form[name] = found.get("value") or ("on" if kind == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1][self._area] += data


@dataclasses.dataclass(slots=True)
class Soak:
    """The running stack and what the writers have counted so far."""

    site: str
    sandbox: str
    folder: Path
    key: str
    cohort: int
    ended: threading.Event = dataclasses.field(default_factory=threading.Event)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    refusals: Counter[str] = dataclasses.field(default_factory=Counter)
    sessions: list[str] = dataclasses.field(default_factory=list)
    broken: Counter[str] = dataclasses.field(default_factory=Counter)
    numbers: "itertools.count[int]" = dataclasses.field(default_factory=lambda: itertools.count(1))

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.site, timeout=60, trust_env=False)

    def pay(self, client: httpx.Client, url: str, email: str) -> None:
        """Pay on the payment page, and return."""
        answer = client.post(f"{url}/pay", data={"card": "ok", "email": email})
        assert answer.status_code == 303, answer.text[:300]
        self.sessions.append(url.rpartition("/")[2])
        self.get(client, answer.headers["Location"])

    def code_for(self, email: str) -> str:
        """Return the sign-in code that was mailed to this address."""
        files = sorted((self.folder / "mail").glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)
        texts = (file.read_text() for file in files[:100])
        return next(found.group() for text in texts if f"To: {email}" in text and (found := CODE.search(text)))

    def get(self, client: httpx.Client, path: str) -> httpx.Response:
        return self._kept(client.get(path, follow_redirects=True))

    def submit(self, client: httpx.Client, page: httpx.Response, **changes: str) -> httpx.Response:
        """Submit the page's form that has the first of these fields, with these changes."""
        field = next(iter(changes))
        form = Forms(page.text).holding(field)
        assert form is not None, f"{page.status_code} {page.url} does not ask for {field}: {page.text[:200]}"
        data = form | changes
        return self._kept(client.post(page.url, data=data, headers={"Referer": str(page.url)}))

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        self.counts["requests"] += 1
        if answer.status_code >= 400:
            self.refusals[f"{answer.status_code} for {answer.request.method} {answer.request.url.path}"] += 1
        return answer


def integrate(soak: Soak, client: httpx.Client, chance: random.Random) -> None:
    """Enroll a learner as an integrator; of those who are asked to pay, every second one does."""
    email = f"learner{next(soak.numbers)}@soak.test"
    body = {
        "learner_profile": {"email": email, "first_name": "Ada", "last_name": "Soak"},
        "context": {"guardian_id": f"soak-{email}", "source": "soak"},
    }
    headers = {"Authorization": f"Bearer {soak.key}", "Idempotency-Key": email}
    answer = soak._kept(client.post("/api/enroll", json=body, headers=headers))
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}"
    url = answer.json().get("checkout_url")
    soak.counts["enrolled by the API"] += 1
    if url and chance.random() < 0.5:
        soak.pay(client, url, email)
        soak.counts["decisions paid"] += 1


def buy(soak: Soak, client: httpx.Client, chance: random.Random) -> None:
    """Sign in as a family by code and buy a place in a course."""
    client.cookies.clear()
    email = f"family{next(soak.numbers)}@soak.test"
    soak.submit(client, soak.get(client, "/accounts/login/code/"), email=email)
    soak.submit(client, soak.get(client, "/accounts/login/code/confirm/"), code=soak.code_for(email))
    page = soak.get(client, f"/courses/{COURSE}/cohorts/{soak.cohort}/enroll")
    answer = soak.submit(
        client, page, learner="child", **{"child-first_name": "Ben", "child-last_name": f"Soak {next(soak.numbers)}"}
    )
    assert answer.status_code == 302, f"{answer.status_code} {answer.text[:300]}"
    soak.pay(client, answer.headers["Location"], email)
    soak.counts["places bought"] += 1
    soak.get(client, "/my/enrollments")


def administrate(soak: Soak, client: httpx.Client, chance: random.Random) -> None:
    """Look through a list as staff, open what is there, and save a program with another description."""
    if not client.cookies.get("sessionid"):
        answer = soak.submit(client, soak.get(client, "/admin/login/"), username=OPERATOR, password=PASSWORD)
        assert answer.status_code == 302, answer.text[:300]
    which = chance.choice(LISTS)
    listed = soak.get(client, f"/admin/{which}/")
    links = re.findall(rf'href="(/admin/{which}/\d+/change/)', listed.text)
    if links:
        soak.get(client, chance.choice(links))
    programs = soak.get(client, "/admin/enrollments/program/")
    program = chance.choice(re.findall(r'href="(/admin/enrollments/program/\d+/change/)', programs.text))
    answer = soak.submit(client, soak.get(client, program), description=f"Written {next(soak.numbers)} times")
    assert answer.status_code == 302, f"{program}: {answer.status_code}"
    soak.counts["saves by staff"] += 1


def notify(soak: Soak, client: httpx.Client, chance: random.Random) -> None:
    """Send Stripe's notices about a session, twice and late; one about something that is not ours; and a forged one."""
    session = chance.choice(soak.sessions[-200:]) if soak.sessions else "cs_of_somebody_else"
    kind = chance.choice(["checkout.session.completed", "checkout.session.expired", "customer.created"])
    about = {"object": "checkout.session", "id": chance.choice([session, session, "cs_of_somebody_else"])}
    event = {
        "id": f"evt_soak_{next(soak.numbers)}",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": about},
    }
    raw = json.dumps(event).encode()
    for _ in range(2):
        moment = int(time.time())
        digest = hmac.new(SECRET.encode(), f"{moment}.".encode() + raw, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={moment},v1={digest}", "Content-Type": "application/json"}
        answer = soak._kept(client.post("/api/webhooks/stripe", content=raw, headers=headers))
        assert answer.status_code == 200, answer.text[:300]
    forged = client.post("/api/webhooks/stripe", content=raw + b" ", headers=headers)
    assert forged.status_code == 400, forged.text[:300]
    soak.counts["notices of Stripe"] += 1
    time.sleep(0.2)  # otherwise half of all work would be this


WRITERS = (integrate, buy, administrate, notify)


def write(soak: Soak, act: Callable[[Soak, httpx.Client, random.Random], None]) -> None:
    """Repeat until the end; whatever goes wrong is recorded, and the next attempt starts anew."""
    chance = random.Random(act.__name__)
    with soak.client() as client:
        while not soak.ended.is_set():
            try:
                act(soak, client, chance)
            except Exception as error:
                soak.broken[f"{act.__name__}: {type(error).__name__}: {error}"[:400]] += 1
                client.cookies.clear()
                time.sleep(1)


class Stack:
    """`manage.py run` in its own folder, and commands beside it."""

    def __init__(self, folder: Path) -> None:
        limits = dict.fromkeys(("NETWORK", "CALLER", "MAILBOX"), "1000000")
        self.environment = place(folder) | {f"SIGN_IN_CODES_PER_{name}": limit for name, limit in limits.items()}
        self.folder = folder
        self.log = folder / "run.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def wait(self) -> None:
        wait_until(lambda: "Press Ctrl-C" in self.log.read_text() or self._has_ended(), seconds=START_SECONDS)

    def parts(self) -> dict[str, int]:
        processes = tree_of(self.process.pid)
        return {part: named(processes, part).pid for part in PARTS}

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, function: str) -> Any:
        code = f"import json; from tests.operations.soak_inside import {function}; print(json.dumps({function}()))"
        return json.loads(self.manage("shell", "--verbosity", "0", "--command", code).splitlines()[-1])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def _has_ended(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return False


def tree_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        stack = Stack(Path(folder))
        try:
            stack.wait()
            return _soak(stack)
        finally:
            with contextlib.suppress(Exception):
                stack.stop()


def _soak(stack: Stack) -> int:
    before = stack.parts()
    key = json.loads(stack.manage("create_api_key", "--workspace", "bright-futures", "--scopes", "all", "--json"))
    soak = Soak(
        site=f"http://127.0.0.1:{stack.environment['PORT']}",
        sandbox=f"http://127.0.0.1:{stack.environment['SANDBOX_PORT']}",
        folder=stack.folder,
        key=key["key"],
        cohort=stack.ask("open_cohort"),
    )
    sold = stack.ask("what_was_sold")
    print(f"Four writers for {MINUTES:g} minutes at {soak.site} ...", flush=True)
    threads = [threading.Thread(target=write, args=(soak, act), name=act.__name__) for act in WRITERS]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + MINUTES * 60
    for second in itertools.count(1):
        time.sleep(1)
        if second % 60 == 0:
            print(f"  {second // 60} min: {_figures(soak.counts)}", flush=True)
        if stack.process.poll() is not None or deadline - time.monotonic() < 0:
            break
    soak.ended.set()
    for thread in threads:
        thread.join()
    drained = _drain(stack)
    faults = [*_faults(stack, soak, before, sold), *(f"still waiting: {kind}: {n}" for kind, n in drained.items() if n)]
    print(f"{_figures(soak.counts)}; refused: {dict(soak.refusals)}")
    print(f"{soak.counts['requests'] / (MINUTES * 60):.1f} requests a second; processes {before}")
    print("\n".join(["Whole." if not faults else "NOT whole:", *faults]))
    return 1 if faults else 0


def _drain(stack: Stack) -> dict[str, int]:
    """Return what still waits once the worker had time to finish: nothing, if all is well."""
    queue = stack.folder / "celery" / "queue"

    def count() -> dict[str, int]:
        return stack.ask("what_waits") | {"messages in the queue": len(list(queue.glob("*.msg")))}

    waits = count()
    deadline = time.monotonic() + DRAIN_SECONDS
    while any(waits.values()) and time.monotonic() < deadline:
        time.sleep(2)
        waits = count()
    return waits


def _faults(stack: Stack, soak: Soak, before: dict[str, int], sold: dict[str, int]) -> list[str]:
    lines = stack.log.read_text(errors="replace").splitlines()
    faults = [f"a writer failed {count} times: {what}" for what, count in soak.broken.most_common(20)]
    if stack.process.poll() is not None:
        return [*faults, f"the stack ended: {lines[-20:]}"]
    after = stack.parts()
    faults += [f"{part} was replaced: {before[part]} {pid}" for part, pid in after.items() if pid != before[part]]
    faults += [f"log: {line[:300]}" for line in lines if ERROR_LINE.search(line)][:20]
    faults += [f"answer: {line[:300]}" for line in lines if SERVER_ERROR.search(line)][:20]
    now = stack.ask("what_was_sold")
    for kind, count in (("places", soak.counts["places bought"]), ("decisions", soak.counts["decisions paid"])):
        if now[kind] - sold[kind] != count:
            faults.append(f"{count} {kind} were paid, and there are {now[kind] - sold[kind]}")
    try:
        stack.manage("doctor")
    except AssertionError as breach:
        faults.append(f"doctor: {str(breach)[-1500:]}")
    return faults


def _figures(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
