"""Production: refuses to start without its secrets; everything else is safe by default."""

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from core.logs import configure_logging

from .base import *


def required(name: str) -> str:
    """Return the variable's value; raise ImproperlyConfigured, naming the variable, if it is unset or empty."""
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production (see .env.example)")
    return value


def strong(name: str) -> str:
    """Return a secret that can't be guessed; raise ImproperlyConfigured for a short, uniform, or example value."""
    return unguessable(name, required(name))


def unguessable(name: str, value: str) -> str:
    if len(value) < SECRET_LENGTH or len(set(value)) < SECRET_CHARACTERS or value.startswith("development-only"):
        raise ImproperlyConfigured(f"{name} must be {SECRET_LENGTH} random characters or more in production")
    return value


def vendors(name: str, *starts: str) -> str:
    """Return a vendor's secret, recognized by its prefix; where the sandbox is allowed, its secret is accepted too."""
    value = required(name)
    if not value.startswith(starts) or ("sandbox" in value and not SANDBOX):
        raise ImproperlyConfigured(f"{name} must be Stripe's in production: it starts with {' or '.join(starts)}")
    return value


def sealing_keys(name: str) -> list[str]:
    """Return comma-separated keys made by `Fernet.generate_key()`, the newest first."""
    keys = required(name).split(",")
    for key in keys:
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must hold keys made by Fernet.generate_key()") from error
        if key == DEVELOPMENT_SEALING_KEY:
            raise ImproperlyConfigured(f"{name} must not hold the key that everybody knows from development")
    return keys


SECRET_LENGTH = 50
SECRET_CHARACTERS = 10
SECRET_KEY = strong("SECRET_KEY")
# Former keys: what they signed is still valid, and nothing new is signed with them (docs/security.md).
SECRET_KEY_FALLBACKS = [
    unguessable("SECRET_KEY_FALLBACKS", key) for key in env.list("SECRET_KEY_FALLBACKS", default=[])
]
ALLOWED_HOSTS = required("ALLOWED_HOSTS").split(",")
PUBLIC_URL = required("PUBLIC_URL").rstrip("/")
required("DATABASE_URL")
required("CELERY_BROKER_URL")
SEALING_KEYS = sealing_keys("SEALING_KEYS")
STRIPE_SECRET_KEY = vendors("STRIPE_SECRET_KEY", "sk_", "rk_")
STRIPE_WEBHOOK_SECRET = vendors("STRIPE_WEBHOOK_SECRET", "whsec_")
if SANDBOX and not env.bool("SANDBOX_IN_PRODUCTION", default=False):
    raise ImproperlyConfigured(
        "SANDBOX=1 replaces payments with a stand-in; set SANDBOX_IN_PRODUCTION=1 for a demo host"
    )

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
# A program is not redirected, since it would keep sending its key in the clear: `core.http.limits` refuses it.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^health$", r"^metrics$", r"^api/"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
LANGUAGE_COOKIE_SECURE = True
if SECURE_SSL_REDIRECT:  # cookie names that a browser accepts from this host only, and over HTTPS only
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    LANGUAGE_COOKIE_NAME = "__Host-language"
    DEVICE_COOKIE_NAME = "__Host-device"
    CHANGED_COOKIE_NAME = "__Host-changed"
    LINK_COOKIE_NAME = "__Host-link-"
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
configure_logging(level=LOG_LEVEL, style=LOG_FORMAT)
