"""Production's settings, with the one statement in the place of the platform's paths."""

from enrollment_project.settings.prod import *  # noqa: F403

ROOT_URLCONF = "bench.over_http.urls"
