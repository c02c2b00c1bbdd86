import pytest
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError as BrokerGone

from enrollment_project import health


class TestHealth:
    def test_names_the_service_without_any_key(self, client, time_machine):
        time_machine.move_to("2026-09-01T12:00:00Z", tick=False)

        response = client.get("/health")

        assert response.status_code == 200
        assert response.json() == {
            "status": "healthy",
            "service": "enrollment-router",
            "version": "0.1.0",
            "time": "2026-09-01T12:00:00Z",
        }

    def test_is_never_kept_by_a_cache(self, client):
        assert "no-store" in client.get("/health")["Cache-Control"]

    def test_needs_nothing_to_say_that_the_process_lives(self, client):
        assert client.get("/healthz").json() == {"status": "alive"}

    @pytest.mark.parametrize("path", ["/health", "/healthz", "/readyz"])
    def test_takes_no_posts(self, client, path):
        assert client.post(path).status_code == 405


@pytest.mark.django_db
class TestReadiness:
    def test_is_there_when_all_parts_are(self, client):
        response = client.get("/readyz")

        assert response.status_code == 200
        assert response.json() == {
            "status": "ready",
            "checks": {"database": "ok", "migrations": "ok", "broker": "ok"},
        }

    @pytest.mark.parametrize(
        ("part", "error"),
        [
            ("database", OperationalError("password for user secret")),
            ("broker", BrokerGone("redis://user:secret@host")),
        ],
    )
    def test_is_not_there_when_a_part_is_gone_and_tells_no_secrets(self, client, monkeypatch, part, error):
        def gone():
            raise error

        monkeypatch.setitem(health.CHECKS, part, gone)

        response = client.get("/readyz")

        assert response.status_code == 503
        assert response.json()["status"] == "not ready"
        assert response.json()["checks"] == {"database": "ok", "migrations": "ok", "broker": "ok"} | {
            part: "failed: OperationalError"
        }
        assert b"secret" not in response.content

    @pytest.mark.sqlite
    def test_is_not_there_before_migrations_are_applied(self, client, monkeypatch):
        health._check_migrations.cache_clear()
        monkeypatch.setattr(
            MigrationExecutor, "migration_plan", lambda executor, targets: [("events.0002_next", False)]
        )

        response = client.get("/readyz")

        assert response.status_code == 503
        assert response.json()["checks"]["migrations"] == "1 migrations are not applied, the first is events.0002_next"


class TestAProcessThatIsAboutToStop:
    @pytest.mark.django_db
    def test_is_not_ready_and_closes_connections_after_its_answers(self, client, settings, tmp_path):
        settings.DRAINING_FILE = str(tmp_path / "draining")
        before = client.get("/readyz")
        (tmp_path / "draining").touch()

        after = client.get("/readyz")
        page = client.get("/health")

        assert (before.status_code, "Connection" in before) == (200, False)
        assert (after.status_code, after.json()["checks"]["process"]) == (503, "is stopping")
        assert (page.status_code, page["Connection"]) == (200, "close")
