"""Production: refuses to start without its secrets; everything else is safe by default."""

from django.core.exceptions import ImproperlyConfigured

from .base import *


def required(name: str) -> str:
    """The variable's value; raises ImproperlyConfigured naming it when it is unset or empty."""
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in production (see .env.example)")
    return value


SECRET_KEY = required("SECRET_KEY")
ALLOWED_HOSTS = required("ALLOWED_HOSTS").split(",")
PUBLIC_URL = required("PUBLIC_URL").rstrip("/")
required("DATABASE_URL")
required("CELERY_BROKER_URL")
STRIPE_SECRET_KEY = required("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRET = required("STRIPE_WEBHOOK_SECRET")
if SANDBOX and not env.bool("SANDBOX_IN_PRODUCTION", default=False):
    raise ImproperlyConfigured("SANDBOX=1 replaces payment by a stand-in; set SANDBOX_IN_PRODUCTION=1 for a demo host")

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^health$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
configure_logging(level=LOG_LEVEL, style=LOG_FORMAT)
