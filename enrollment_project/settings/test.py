"""Tests: like development, but on PostgreSQL, with fast hashing and no files left behind.

The database is `TEST_DATABASE_URL`, else `DATABASE_URL`, else this process's own PostgreSQL: its socket folder is named
here, and conftest.py starts it there. The names go into the environment so that processes started by tests find the
database too.
"""

import os
import tempfile
from pathlib import Path

POSTGRES_TO_START: Path | None = None
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
elif "DATABASE_URL" not in os.environ:
    POSTGRES_TO_START = Path(tempfile.gettempdir()) / f"enrollment-postgres-{os.getpid()}"
    os.environ["DATABASE_URL"] = "postgresql://postgres@/enrollment"
    os.environ["DATABASE_HOST"] = str(POSTGRES_TO_START)
os.environ.setdefault("PORT", "8000")  # the tests ignore a stack that runs in this folder
os.environ["ENV_FILE"] = os.devnull  # nobody's .env affects the tests

from .dev import *  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not SQLite's default for tests: an in-memory database shares one connection, so it has neither WAL nor
    # locks.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}.test"}
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"  # it need not survive a power cut
else:
    # A test in a transaction waits for a browser, or for the sandbox, as long as a slow machine takes.
    DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=0"
# A server-side cursor takes three statements where a query takes one, and the doctor runs some 150 queries after many
# tests. Code that uses such cursors is tested with them in tests/contracts/test_doctor.py.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
PUBLIC_URL = "http://127.0.0.1:8000"  # whatever PORT the tester's own stack uses
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
API_KEY_CACHE_SECONDS = 0
COUNT_IN_CACHE = True  # one process, whose cache is empty for each test
API_RATE_LIMIT = 1_000_000
API_ANONYMOUS_RATE_LIMIT = 1_000_000
# In memory; code that needs a real path (exports) writes below `var`.
STORAGES["private"] = {
    "BACKEND": "django.core.files.storage.InMemoryStorage",
    "OPTIONS": {"location": VAR_DIR / "files-of-tests"},
}
