"""Settings that apply everywhere. Variable values come from the environment; `.env.example` names every variable."""

import os
import re
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured

from core.logs import configure_logging

from .content_security import CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_SECTIONS  # noqa: F401
from .openapi import SPECTACULAR_SETTINGS  # noqa: F401
from .unfold import UNFOLD  # noqa: F401

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / env.str("ENV_FILE", default=".env"))
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))

# --- The process ----------------------------------------------------------------------------------------------------
PORT = env.int("PORT", default=8000)
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
SANDBOX = env.bool("SANDBOX", default=False)  # vendors are stand-ins: banner on pages, loopback calls allowed
SANDBOX_URL = env.str("SANDBOX_URL", default="")  # where the stand-ins answer
MAILBOX_PAGE = False  # whether /dev/mailbox shows everybody's mail; only development sets it
GRAPHIQL_PAGE = False  # whether /dev/graphql explores the GraphQL schema; only development sets it
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# How many proxies in front of us append to X-Forwarded-For; with none, the header is ignored.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
# Seconds for which web keeps answering after it was told to stop: the time a load balancer takes to notice.
DRAIN_SECONDS = env.float("DRAIN_SECONDS", default=5.0)
DRAINING_FILE = env.str("DRAINING_FILE", default="")  # exists once web was told to stop (enrollment_project/serving.py)

# --- Metrics: what `GET /metrics` tells Prometheus (docs/metrics.md) --------------------------------------------------
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # without it, only superusers can read the metrics
METRICS_PORT = env.int("METRICS_PORT", default=0)  # where the worker answers for its processes; 0: nowhere
# Where the processes of a host write their timings. The client reads this name when it is imported, before .env.
METRICS_DIR = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
if METRICS_DIR:
    Path(METRICS_DIR).mkdir(parents=True, exist_ok=True)

# --- Traces: where the time of a request or task went (docs/metrics.md) -----------------------------------------------
TRACES_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="").rstrip("/")  # a collector; empty: no traces

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # our admin site replaces its own
    "unfold.contrib.filters",
    "backoffice.apps.BackOfficeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "csp",
    "django_cotton",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core",
    "enrollment_project",
    "accounts",
    "backoffice",
    "notifications",
    "events",
    "billing",
    "enrollments",
    "cohorts",
    "partners",
    "privacy",
    "operations",
]

MIDDLEWARE = [
    "core.http.draining.DrainingMiddleware",
    "core.http.middleware.RequestContextMiddleware",
    "core.http.tracing.TracingMiddleware",
    "core.http.request_log.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "enrollment_project.content_security.SectionedCSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.http.private_answers.PrivateAnswersMiddleware",
    "core.http.storable.StorableTextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "core.http.limits.ApiLimitsMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "core.http.own_changes.OwnChangesMiddleware",
    "accounts.languages.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.pages.FamilySignInMiddleware",
    "backoffice.pages.sign_ins.StaffSignInMiddleware",
    "backoffice.timezones.StaffZoneMiddleware",
]

ROOT_URLCONF = "enrollment_project.urls"
WSGI_APPLICATION = "enrollment_project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "enrollment_project.context_processors.site",
                "enrollment_project.context_processors.trail",
            ],
            "builtins": ["django.templatetags.i18n"],
        },
    },
]
COTTON_DIR = "components"

# --- Database: SQLite by default, PostgreSQL by DATABASE_URL --------------------------------------------------------
# Timeouts are in milliseconds: a lock that can't be had becomes a 503 with Retry-After instead of a hanging worker.
_database_url = env.str("DATABASE_URL", default="") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}"
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(_database_url)}
_database = DATABASES["default"]
_database["ATOMIC_REQUESTS"] = False
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    if host := env.str("DATABASE_HOST", default=""):  # a socket directory can't be written in the URL
        _database["HOST"] = host
    _database["CONN_MAX_AGE"] = None
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        "server_side_binding": True,
        # Statements are prepared from their sixth execution on. Preparing at once (0) would be no faster on long-lived
        # connections, and migrations could not run: Django sends some of their statements in pairs, which can't be
        # prepared.
        "prepare_threshold": 5,
        "options": "-c lock_timeout=5000 -c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000",
    }
    if env.bool("DATABASE_POOLED", default=False):
        # With a pgbouncer that may give each transaction another server connection, no session state survives into the
        # next transaction. It sets the timeouts itself (deploy/pgbouncer/entrypoint.sh).
        _database["DISABLE_SERVER_SIDE_CURSORS"] = True
        _database["OPTIONS"] = {"server_side_binding": True, "prepare_threshold": None}

# DATABASE_REPLICA_URL: a streaming replica that lists, figures, and exports are read from (core/replicas.py), while it
# lags by no more than this many seconds.
DATABASE_REPLICA_LAG_SECONDS = env.int("DATABASE_REPLICA_LAG_SECONDS", default=5)
CHANGED_COOKIE_NAME = "changed"  # core/http/own_changes.py
LINK_COOKIE_NAME = "link-"  # core/http/mailed_links.py, which adds a digest
if _replica_url := env.str("DATABASE_REPLICA_URL", default=""):
    if _database["ENGINE"].endswith("sqlite3"):
        raise ImproperlyConfigured("DATABASE_REPLICA_URL is set, and DATABASE_URL names no PostgreSQL to replicate.")
    _replica = {"OPTIONS": {}} | env.db_url_config(_replica_url)
    DATABASES["replica"] = {
        **_database,
        **_replica,
        "OPTIONS": {**_database["OPTIONS"], **_replica["OPTIONS"], "connect_timeout": 2},
        "TEST": {"MIRROR": "default"},
    }
    DATABASE_ROUTERS = ["core.replicas.Router"]

# --- Redis and Celery -----------------------------------------------------------------------------------------------
# REDIS_URL: cache and rate limits shared by all processes, and the stream that events are relayed to. Without it each
# process has a cache of its own, limits are counted in the database, and relayed events go to the log.
REDIS_URL = env.str("REDIS_URL", default="")
EVENT_STREAM = env.str("EVENT_STREAM", default="enrollment:events")
EVENT_STREAM_MAX_LENGTH = env.int("EVENT_STREAM_MAX_LENGTH", default=1_000_000)  # older entries are trimmed
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
        }
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}
COUNT_IN_CACHE = bool(REDIS_URL)  # otherwise limits are counted in the database (core/counters.py)
# CELERY_BROKER_URL: `filesystem://localhost/` needs no server (see core/spool.py); `redis://...` in production.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://localhost/")
CELERY_SPOOL_DIR = Path(env.str("CELERY_SPOOL_DIR", default=str(VAR_DIR / "celery")))
# A request that nudges a worker must not wait for an unreachable Redis: without max_retries it would for six seconds.
REDIS_TRANSPORT_OPTIONS: dict[str, Any] = {"socket_timeout": 2, "socket_connect_timeout": 2, "max_retries": 0}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {
        "folder": str(CELERY_SPOOL_DIR / "queue"),
        "polling_interval": 0.25,  # seconds a nudge may wait; also part of a worker's shutdown time
    }
    if CELERY_BROKER_URL.startswith("filesystem")
    else REDIS_TRANSPORT_OPTIONS
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

# --- Stripe ---------------------------------------------------------------------------------------------------------
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
STRIPE_TIMEOUT_SECONDS = env.float("STRIPE_TIMEOUT_SECONDS", default=10.0)
STRIPE_MAX_RETRIES = env.int("STRIPE_MAX_RETRIES", default=2)
# How long a routed parent may take to pay; Stripe allows 30 minutes to 24 hours.
CHECKOUT_MINUTES = env.int("CHECKOUT_MINUTES", default=23 * 60)

# --- Cohort courses ---------------------------------------------------------------------------------------------------
# A learner may cancel or change a booking until this many hours before the session.
BOOKING_CHANGE_HOURS = env.int("BOOKING_CHANGE_HOURS", default=24)
# How many unpaid places one account or family may have at a time: held, offered, and waiting-list entries combined.
HELD_PLACES_PER_ACCOUNT = env.int("HELD_PLACES_PER_ACCOUNT", default=5)
# How many wrong voucher codes one caller, or one network, may try in an hour before all their codes are ignored.
VOUCHER_TRIES_PER_HOUR = env.int("VOUCHER_TRIES_PER_HOUR", default=20)
# How many learners one account may add to a workspace by itself.
LEARNERS_PER_ACCOUNT = env.int("LEARNERS_PER_ACCOUNT", default=12)
# How many hours a place is held for somebody from the waiting list.
WAITLIST_OFFER_HOURS = env.int("WAITLIST_OFFER_HOURS", default=24)
# Hosts besides our own (PUBLIC_URL) that the payment page may send a student back to, each with its port if it has one.
CHECKOUT_RETURN_HOSTS: list[str] = env.list("CHECKOUT_RETURN_HOSTS", default=[])

# --- Secrets stored reversibly ----------------------------------------------------------------------------------------
# Keys that seal partners' API keys in the database (core/sealing.py): the first seals, and every one of them opens.
SEALING_KEYS: list[str] = env.list("SEALING_KEYS", default=[])
DEVELOPMENT_SEALING_KEY = "ZGV2ZWxvcG1lbnQtb25seS1rZXktbmV2ZXItdXNlLWk="

# --- People and sign-in ---------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",  # a password, for staff: its sessions open the back office
    "allauth.account.auth_backends.AuthenticationBackend",  # an emailed code, for families: its sessions never do
    "accounts.permissions.RolePermissions",  # opens no session; answers has_perm with the powers of roles
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.password_words.ForeseeableWordsValidator"},
]
PASSWORD_RESET_TIMEOUT = 60 * 60  # seconds the link to set a new staff password works
# Whether platform operators also need a second factor besides their password.
SUPERUSERS_NEED_SECOND_FACTOR = env.bool("SUPERUSERS_NEED_SECOND_FACTOR", default=False)
LOGIN_URL = "account_request_login_code"
LOGIN_REDIRECT_URL = "my-enrollments"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 5
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION = "none"  # entering the code is the verification
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_RATE_LIMITS = (
    False  # accounts/code_limits.py counts instead: with these, a stranger's requests locked people out
)
# Limits for sign-in codes: per minute for one network address (a school may share one); per ten minutes for one mailbox
# and caller; per half hour for one mailbox and all browsers that have never signed in to it.
SIGN_IN_CODES_PER_NETWORK = env.int("SIGN_IN_CODES_PER_NETWORK", default=20)
SIGN_IN_CODES_PER_CALLER = env.int("SIGN_IN_CODES_PER_CALLER", default=4)
SIGN_IN_CODES_PER_MAILBOX = env.int("SIGN_IN_CODES_PER_MAILBOX", default=16)
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
STAFF_IDLE_HOURS = env.int("STAFF_IDLE_HOURS", default=12)  # a staff session unused for longer ends
DEVICE_COOKIE_NAME = "device"  # accounts/devices.py

# --- Email ----------------------------------------------------------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10  # seconds a mail server may take to answer
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Enrollment <hello@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- API ------------------------------------------------------------------------------------------------------------
API_MAX_BODY_BYTES = 1_000_000
DATA_UPLOAD_MAX_MEMORY_SIZE = API_MAX_BODY_BYTES
# Paths whose body is a file, which is received piece by piece.
API_FILE_PATHS = r"/api/(programInstances/[^/]+/)?imports/?"
API_MAX_FILE_BYTES = 50_000_000
# For how many days a finished import can still be undone and lists the faults of each line.
IMPORT_ROWS_KEPT_DAYS = env.int("IMPORT_ROWS_KEPT_DAYS", default=90)
# How many days the audit log of staff is kept: at least a year, as the database refuses to delete younger entries.
AUDIT_LOG_KEPT_DAYS = max(366, env.int("AUDIT_LOG_KEPT_DAYS", default=3 * 365))
# For how many years invoices keep the name of an erased person, as tax law requires: at least ten in some countries.
INVOICES_KEPT_YEARS = env.int("INVOICES_KEPT_YEARS", default=10)
# Requests per minute and API key (or per address, without a key).
API_RATE_LIMIT = env.int("API_RATE_LIMIT", default=6000)
API_ANONYMOUS_RATE_LIMIT = env.int("API_ANONYMOUS_RATE_LIMIT", default=120)
# How many Idempotency-Keys are kept at a time, each for a day: per API key, and per signed-in person.
IDEMPOTENCY_KEYS_KEPT = {
    "key": env.int("IDEMPOTENCY_KEYS_PER_API_KEY", default=20_000),
    "user": env.int("IDEMPOTENCY_KEYS_PER_PERSON", default=200),
}
# For how many seconds a process may trust what it last read about an API key; a revoked key dies at most this much
# later.
API_KEY_CACHE_SECONDS = env.int("API_KEY_CACHE_SECONDS", default=3)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["core.http.throttling.PrincipalRateThrottle"],
    "DEFAULT_PARSER_CLASSES": ["core.http.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "enrollment_project.openapi.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "core.http.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
# --- Self-enrollment forms ------------------------------------------------------------------------------------------
# How many forms one network (a school may share one) may send in an hour.
APPLICATIONS_PER_NETWORK = env.int("APPLICATIONS_PER_NETWORK", default=60)
FILE_UPLOAD_HANDLERS = [
    "core.http.uploads.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# The virus scanner that looks at uploads: ClamAV's daemon, as host:port. Empty: none does.
CLAMD_ADDRESS = env.str("CLAMD_ADDRESS", default="")
_clamd = re.fullmatch(r".+:([0-9]{1,5})", CLAMD_ADDRESS)
if CLAMD_ADDRESS and (_clamd is None or int(_clamd[1]) > 65_535):
    raise ImproperlyConfigured(f"CLAMD_ADDRESS={CLAMD_ADDRESS} is not host:port, such as clamav:3310.")

# --- Pages ----------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Files that families upload, kept outside of the served files; web and worker need the same folder.
FILES_DIR = Path(env.str("FILES_DIR", default=str(VAR_DIR / "files")))
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "private": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": FILES_DIR, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("es", "Español"),
    ("pl", "Polski"),
]  # the languages of family pages and mails: docs/how-to/language.md
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SAMESITE = "Lax"
# The default language of new workspaces, in which they write to families who chose none.
DEFAULT_WORKSPACE_LANGUAGE = env.str("DEFAULT_LANGUAGE", default="en")
if DEFAULT_WORKSPACE_LANGUAGE not in dict(LANGUAGES):
    raise ImproperlyConfigured(f"DEFAULT_LANGUAGE={DEFAULT_WORKSPACE_LANGUAGE} is none of {list(dict(LANGUAGES))}.")
# The time zone we compute in. People read times in the zone of the object: see core/local_time.py.
TIME_ZONE = "UTC"
# The default time zone of new workspaces.
DEFAULT_WORKSPACE_TIMEZONE = env.str("DEFAULT_TIMEZONE", default="UTC")
if DEFAULT_WORKSPACE_TIMEZONE not in available_timezones():
    raise ImproperlyConfigured(
        f"DEFAULT_TIMEZONE={DEFAULT_WORKSPACE_TIMEZONE} is not a time zone of the IANA database."
    )
FORMAT_MODULE_PATH = ["enrollment_project.formats"]
USE_TZ = True
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "enrollment_project.pages.forbidden"
SECURE_REFERRER_POLICY = "same-origin"

# --- Logs -----------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="console")  # console | json
LOGGING_CONFIG = None
configure_logging(level=LOG_LEVEL, style=LOG_FORMAT)
