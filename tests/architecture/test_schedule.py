"""The schedule in enrollment_project/celery.py: an unknown task name would fail silently, every few seconds."""

import pytest

from enrollment_project import celery_app


class TestEverySchedule:
    @pytest.mark.parametrize("entry", sorted(celery_app.conf.beat_schedule))
    def test_names_a_task_that_workers_know(self, entry: str) -> None:
        celery_app.loader.import_default_modules()

        assert celery_app.conf.beat_schedule[entry]["task"] in celery_app.tasks

    def test_an_unknown_name_would_be_found(self) -> None:
        celery_app.loader.import_default_modules()

        assert "billing.tasks.no_such_task" not in celery_app.tasks
