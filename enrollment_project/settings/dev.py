"""Development: SQLite, the sandbox for vendors, and mail kept in files that /dev/mailbox shows."""

import os
from pathlib import Path

from .running import follow_running_stack

follow_running_stack(Path(os.environ.get("VAR_DIR") or Path(__file__).resolve().parents[2] / "var"))

from .base import *  # noqa: E402

DEBUG = env.bool("DEBUG", default=False)
MAILBOX_PAGE = True
GRAPHIQL_PAGE = True
SECRET_KEY = env.str("SECRET_KEY", default="development-only-key-never-use-it-for-anything-real-0123456789")
SEALING_KEYS = SEALING_KEYS or [DEVELOPMENT_SEALING_KEY]
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver"]
SANDBOX = env.bool("SANDBOX", default=True)
SANDBOX_PORT = env.int("SANDBOX_PORT", default=PORT + 1)
SANDBOX_URL = env.str("SANDBOX_URL", default=f"http://127.0.0.1:{SANDBOX_PORT}").rstrip("/")
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="sk_test_sandbox")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="whsec_sandbox")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default=SANDBOX_URL)
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = env.str("EMAIL_FILE_PATH", default=str(VAR_DIR / "mail"))
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
