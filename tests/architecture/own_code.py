"""The code that rules are checked against: the apps that the settings install, so that a new one is always covered."""

from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "enrollment_project"  # the package that combines the apps: settings, URLs, the dashboard
APPS = tuple(
    config.label for config in apps.get_app_configs() if Path(config.path).parent == ROOT and config.label != PROJECT
)


def modules(*packages: str) -> Iterator[Path]:
    """Return the modules of these packages that run in production, excluding tests and migrations."""
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            if not {"tests", "migrations"} & set(path.relative_to(ROOT).parts):
                yield path


def own_models() -> list[type[models.Model]]:
    """Return the models of the apps."""
    return [model for app in APPS for model in apps.get_app_config(app).get_models()]
