"""Production's settings, with the naive view in the place of the platform's paths."""

from enrollment_project.settings.prod import *  # noqa: F403

ROOT_URLCONF = "bench.naive.urls"
