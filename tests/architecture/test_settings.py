"""Settings as an operator meets them: by environment variables, in a process of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from enrollment_project.settings.base import DEVELOPMENT_SEALING_KEY

ROOT = Path(__file__).resolve().parent.parent.parent
READ = re.compile(r"""(?:\benv\.\w+|\brequired|\benviron(?:\.\w+)?)[(\[]\s*["']([A-Z][A-Z0-9_]+)["']""")
NOT_OURS = {"DJANGO_SETTINGS_MODULE"}  # Django's own variable, set by each entry point
PRODUCTION = {
    "SECRET_KEY": "k7-Vq2xT9s_Lw4ZpYb8NfRc3HdGm6JaUe1KiOo5tWnXBvQyPzMlSj",
    "ALLOWED_HOSTS": "enroll.example.org",
    "PUBLIC_URL": "https://enroll.example.org",
    "DATABASE_URL": "postgresql://enrollment:secret@db.example.org/enrollment",
    "CELERY_BROKER_URL": "redis://redis.example.org:6379/0",
    "SEALING_KEYS": "4cQxQxBqmlRYj5dZ0mEoJ1nJ3QyqC6w8s0JcBv3b7aU=",
    "STRIPE_SECRET_KEY": "sk_live_example",
    "STRIPE_WEBHOOK_SECRET": "whsec_example",
}

NO_SECRETS = [
    ("SECRET_KEY", "x"),
    ("SECRET_KEY", "a" * 60),
    ("SECRET_KEY", "development-only-key-never-use-it-for-anything-real-0123456789"),
    ("SEALING_KEYS", "short"),
    ("SEALING_KEYS", DEVELOPMENT_SEALING_KEY),
    ("STRIPE_SECRET_KEY", "sk_test_sandbox"),
    ("STRIPE_WEBHOOK_SECRET", "secret"),
]
READ_AGAIN = """
import importlib, json, os, sys

for environment in json.load(sys.stdin):
    for name in [name for name in sys.modules if name.startswith("enrollment_project.settings")]:
        del sys.modules[name]
    os.environ.clear()
    os.environ.update(environment)
    try:
        importlib.import_module("enrollment_project.settings.prod")
    except Exception as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))
    else:
        print(json.dumps("accepted"))
"""


def answers_to(*changes: dict[str, str]) -> list[str]:
    """Return what production settings answer to each of these environments, one after the other in one process."""
    always = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, **PRODUCTION}
    told = subprocess.run(
        [sys.executable, "-c", READ_AGAIN],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        input=json.dumps([always | change for change in changes]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.fixture(scope="module")
def refusals() -> list[str]:
    """Return the answers to invalid secrets, then to each missing variable."""
    return answers_to(*[{name: value} for name, value in NO_SECRETS], *[{name: ""} for name in sorted(PRODUCTION)])


def check_deploy(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `manage.py check --deploy` under production settings and nothing but this environment."""
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": "enrollment_project.settings.prod",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestEnvExample:
    def test_names_every_variable_that_settings_read_and_no_other(self) -> None:
        sources = [*(ROOT / "enrollment_project" / "settings").glob("*.py"), ROOT / "sandbox" / "settings.py"]
        read = {name for source in sources for name in READ.findall(source.read_text())}

        named = set(re.findall(r"^#([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

        assert named == read - NOT_OURS


class TestProduction:
    def test_accepts_what_the_refused_lack(self) -> None:
        assert answers_to({}, {"SECRET_KEY": ""}, {})[::2] == ["accepted", "accepted"]

    def test_refuses_an_address_without_a_port(self) -> None:
        addresses = ("clamav", "clamav:99999", "clamav:3310")

        answers = answers_to(*({"CLAMD_ADDRESS": address} for address in addresses))

        assert answers == [
            "ImproperlyConfigured: CLAMD_ADDRESS=clamav is not host:port, such as clamav:3310.",
            "ImproperlyConfigured: CLAMD_ADDRESS=clamav:99999 is not host:port, such as clamav:3310.",
            "accepted",
        ]

    def test_passes_djangos_deployment_checks_without_a_warning(self) -> None:
        result = check_deploy(PRODUCTION)

        assert (result.returncode, result.stderr) == (0, "")
        assert "no issues" in result.stdout

    def test_a_deployment_warning_would_fail_that_check(self) -> None:
        result = check_deploy({**PRODUCTION, "SECURE_SSL_REDIRECT": "0"})

        assert result.returncode == 1
        assert "security.W008" in result.stderr

    @pytest.mark.parametrize(("name", "value"), NO_SECRETS)
    def test_refuses_a_secret_that_is_none(self, name: str, value: str, refusals: list[str]) -> None:
        refusal = refusals[NO_SECRETS.index((name, value))]

        assert refusal.startswith(f"ImproperlyConfigured: {name}")

    @pytest.mark.parametrize("name", sorted(PRODUCTION))
    def test_refuses_to_start_without(self, name: str, refusals: list[str]) -> None:
        refusal = refusals[len(NO_SECRETS) + sorted(PRODUCTION).index(name)]

        assert refusal.startswith(f"ImproperlyConfigured: {name} must be set in production")

    def test_refuses_to_replace_payment_by_a_stand_in(self) -> None:
        result = check_deploy({**PRODUCTION, "SANDBOX": "1"})

        assert result.returncode != 0
        assert "SANDBOX_IN_PRODUCTION=1" in result.stderr

    def test_runs_with_stand_ins_on_a_host_that_says_it_is_a_demo(self) -> None:
        result = check_deploy({**PRODUCTION, "SANDBOX": "1", "SANDBOX_IN_PRODUCTION": "1"})

        assert result.returncode == 0
