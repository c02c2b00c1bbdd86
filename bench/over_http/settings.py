"""Production's settings, with one statement in place of the platform's paths."""

from enrollment_project.settings.prod import *  # noqa: F403

ROOT_URLCONF = "bench.over_http.urls"
