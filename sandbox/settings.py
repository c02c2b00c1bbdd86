"""Settings of the sandbox process. All of its configuration comes from the environment."""

import os
from pathlib import Path

from django.utils.crypto import get_random_string

DATABASE = Path(os.environ.get("SANDBOX_DATABASE") or "var/sandbox.sqlite3")
PORT = int(os.environ.get("SANDBOX_PORT") or 8001)

# Where a browser reaches the sandbox; checkout URLs start with it.
PUBLIC_URL = (os.environ.get("SANDBOX_PUBLIC_URL") or f"http://127.0.0.1:{PORT}").rstrip("/")

# Stripe: the key it accepts, the secret it signs webhooks with, and where they go (nowhere if empty).
STRIPE_SECRET_KEY = os.environ.get("STRIPE_SECRET_KEY") or "sk_test_sandbox"
STRIPE_WEBHOOK_SECRET = os.environ.get("STRIPE_WEBHOOK_SECRET") or "whsec_sandbox"
WEBHOOK_URL = os.environ.get("SANDBOX_WEBHOOK_URL") or ""
# The first wait before an unanswered webhook is resent; each further wait is twice the previous one.
WEBHOOK_RETRY_SECONDS = float(os.environ.get("SANDBOX_WEBHOOK_RETRY_SECONDS") or 1)
# The version the account is pinned to, in which its events are rendered.
STRIPE_API_VERSION = "2026-10-28.endive"

SECRET_KEY = get_random_string(50)  # nothing that outlives the process is signed with it
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "sandbox.urls"
WSGI_APPLICATION = "sandbox.wsgi.application"
APPEND_SLASH = False
INSTALLED_APPS = ["sandbox.knobs", "sandbox.stripe", "sandbox.lms", "sandbox.fakturownia", "sandbox.receivers"]
# No sessions and no CSRF protection: vendors' APIs use no cookies, and curl must be able to press every button.
MIDDLEWARE: list[str] = []
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
