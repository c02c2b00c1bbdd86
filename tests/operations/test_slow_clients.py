"""Slow clients, against the server of `make run`, and against production's proxy."""

import contextlib
import os
import shutil
import socket
import ssl
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.testing import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
PATIENCE = 30.0  # seconds until a stuck site is given up
POST = b"POST /api/webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
DAWDLERS = {
    "whose bodies come byte by byte": POST + b"Content-Length: 5000\r\n\r\n{",
    "whose bodies never come": POST + b"Content-Length: 5000\r\n\r\n",
    "whose chunks never end": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "whose headers never end": POST + b"X-More: ",
    "who say nothing": b"",
    "who read no answers": b"GET /static/css/pages.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20,
}
EACH = 10


@contextlib.contextmanager
def serving(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """Run a process that serves the site on this port, over an empty database."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "TEST_DATABASE_URL"}},
        "DJANGO_SETTINGS_MODULE": "enrollment_project.settings.dev",
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(folder),
        "PORT": str(port),
        "ALLOWED_HOSTS": "127.0.0.1",
    }
    process = subprocess.Popen([str(BIN / command[0]), *command[1:]], cwd=ROOT, env=environment)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"), seconds=60)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def dawdling(port: int) -> Iterator[list[socket.socket]]:
    """Connect ten clients of each kind that have sent everything they will send for now."""
    with contextlib.ExitStack() as stack:
        clients = []
        for words in DAWDLERS.values():
            for _ in range(EACH):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
                client.sendall(words)
                clients.append(client)
        yield clients


def answers(url: str, *, patience: float = 2.0, path: str = "/healthz") -> bool:
    try:
        return httpx.get(f"{url}{path}", timeout=patience, trust_env=False, verify=False).is_success
    except httpx.HTTPError:
        return False


def web_of_the_procfile(port: int) -> list[str]:
    (line,) = [line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:")]
    return string.Template(line.removeprefix("web:")).substitute(PORT=port).split()


@pytest.mark.slow
@pytest.mark.walk
class TestWhatMakeRunServesWith:
    def test_answers_while_sixty_clients_dawdle(self, tmp_path: Path) -> None:
        port = free_port()
        with serving(web_of_the_procfile(port), port, tmp_path), dawdling(port) as clients:
            first = answers(f"http://127.0.0.1:{port}", patience=PATIENCE)
            for client in clients[:EACH]:
                client.sendall(b" ")
            second = answers(f"http://127.0.0.1:{port}", patience=PATIENCE, path="/dev/mailbox")

        assert (first, second) == (True, True)


@pytest.mark.slow
@pytest.mark.walk
@pytest.mark.skipif(not shutil.which("nginx"), reason="the proxy's configuration is tried where there is an nginx")
class TestTheProxy:
    def test_answers_while_sixty_clients_dawdle_although_web_has_one_thread(self, tmp_path: Path) -> None:
        web, plain, secure = free_port(), free_port(), free_port()
        granian = ["granian", "--interface", "wsgi", "--port", str(web), "--blocking-threads", "1"]
        configuration = configure(tmp_path, web=web, plain=plain, secure=secure)
        with (
            serving([*granian, "enrollment_project.wsgi:application"], web, tmp_path),
            proxying(configuration, secure),
            dawdling_over_tls(secure),
        ):
            first = answers(f"https://127.0.0.1:{secure}", patience=PATIENCE)
            moved = httpx.get(f"http://127.0.0.1:{plain}/courses?a=1", trust_env=False)

        assert first
        assert (moved.status_code, moved.headers["Location"]) == (308, "https://127.0.0.1/courses?a=1")


def configure(folder: Path, *, web: int, plain: int, secure: int) -> Path:
    """Write the proxy's configuration with our ports and a certificate of our own."""
    key, certificate = folder / "privkey.pem", folder / "fullchain.pem"
    asking = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*asking, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for theirs, ours in {
        "server web:8000": f"server 127.0.0.1:{web}",
        "127.0.0.1:8503": f"127.0.0.1:{free_port()}",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "listen 443": f"listen 127.0.0.1:{secure}",
        "/etc/nginx/tls": str(folder),
        "/tmp/nginx.pid": str(folder / "nginx.pid"),
        "client_body_timeout 10s": "client_body_timeout 600s",  # so that nothing but the buffers protects web
    }.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


@contextlib.contextmanager
def proxying(configuration: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen(["nginx", "-c", str(configuration), "-g", "daemon off;"])
    try:
        wait_until(lambda: answers(f"https://127.0.0.1:{port}"), seconds=30)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def dawdling_over_tls(port: int) -> Iterator[None]:
    trusting = ssl._create_unverified_context()
    with contextlib.ExitStack() as stack:
        for words in DAWDLERS.values():
            for _ in range(EACH):
                plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
                stack.enter_context(trusting.wrap_socket(plain)).sendall(words or b"P")
        yield
