"""What rules are held against: the apps that the settings install, so a new one is held to them from its first day."""

from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "enrollment_project"  # what puts the apps together: settings, addresses, the dashboard
APPS = tuple(
    config.label for config in apps.get_app_configs() if Path(config.path).parent == ROOT and config.label != PROJECT
)


def modules(*packages: str) -> Iterator[Path]:
    """The modules of these packages that run in production: neither tests nor migrations."""
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            if not {"tests", "migrations"} & set(path.relative_to(ROOT).parts):
                yield path


def own_models() -> list[type[models.Model]]:
    """The models of the apps."""
    return [model for app in APPS for model in apps.get_app_config(app).get_models()]
