"""Tests: like development, with its own database (conftest.py starts a PostgreSQL), no files left behind, fast hashing."""

from .dev import *

EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
API_KEY_CACHE_SECONDS = 0
API_RATE_LIMIT = 1_000_000
API_ANONYMOUS_RATE_LIMIT = 1_000_000
WHITENOISE_AUTOREFRESH = False
