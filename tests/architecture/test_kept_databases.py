"""A migrated database is kept until anything that determines its contents changes."""

from pathlib import Path

import pytest

from tests.migrated import digest_of

FILES = {
    "app/migrations/0001_initial.py": "import app.rules\nfrom app.models import key",
    "app/models/keys.py": "key = 1",
    "app/rules.py": "LENGTH = 24",
    "app/views.py": "pages = []",
    "enrollment_project/settings/base.py": "INSTALLED_APPS = ['app']",
    "requirements.lock": "django==5.2.19",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


class TestAKeptDatabase:
    @pytest.mark.parametrize("name", [name for name in FILES if name != "app/views.py"])
    def test_is_another_when_what_it_is_made_of_changes(self, project: Path, name: str) -> None:
        before = digest_of(project)

        (project / name).write_text(f"{FILES[name]}  # changed")

        assert digest_of(project) != before

    def test_is_another_with_a_new_or_renamed_migration(self, project: Path) -> None:
        digests = [digest_of(project)]

        (project / "app/migrations/0002_more.py").touch()
        digests.append(digest_of(project))
        (project / "app/migrations/0002_more.py").rename(project / "app/migrations/0002_most.py")
        digests.append(digest_of(project))

        assert len(set(digests)) == 3

    def test_is_the_same_whatever_else_changes(self, project: Path) -> None:
        before = digest_of(project)

        (project / "app/views.py").write_text("pages = ['one']")

        assert digest_of(project) == before
