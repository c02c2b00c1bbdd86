"""Tests: like development, on PostgreSQL, with no files left behind and fast hashing.

The database is `TEST_DATABASE_URL`, else `DATABASE_URL`, else a PostgreSQL of this process's own: its socket folder is
named here, conftest.py starts it there. The names go into the environment: processes that tests start find it too.
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
os.environ.setdefault("PORT", "8000")  # a stack that runs in this folder does not belong to the tests
os.environ["ENV_FILE"] = os.devnull  # nobody's .env decides what a test sees

from .dev import *  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not SQLite's default for tests: memory shares one connection, so it has neither WAL nor locks.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}.test"}
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"  # it need not outlive a power cut
# A cursor of the server takes three statements where a query takes one, and the doctor asks some 150 questions after
# many tests. What asks by such cursors is tested with them in tests/contracts/test_doctor.py.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
PUBLIC_URL = "http://127.0.0.1:8000"  # whatever PORT the person testing runs theirs on
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
API_KEY_CACHE_SECONDS = 0
COUNT_IN_CACHE = True  # one process, whose cache each test finds empty
API_RATE_LIMIT = 1_000_000
API_ANONYMOUS_RATE_LIMIT = 1_000_000
# In memory; what asks for a path of it (exports) writes below `var`.
STORAGES["private"] = {
    "BACKEND": "django.core.files.storage.InMemoryStorage",
    "OPTIONS": {"location": VAR_DIR / "files-of-tests"},
}
