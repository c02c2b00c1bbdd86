"""What the Dockerfile, .dockerignore, and compose.yaml of a source tree say about the image, read, not repeated."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC_FILES = "staticfiles"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
ASSIGNMENT = re.compile(r"(\w+)=(.*)")


class Image:
    """A tree as the image built from it would be."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        text = (tree / "Dockerfile").read_text()
        self._dockerfile = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
        self._services = yaml.safe_load((tree / "compose.yaml").read_text())["services"]

    def command(self, service: str) -> list[str]:
        """Return the command of a service of compose.yaml, or the image's own."""
        command = self._services[service].get("command") or json.loads(self.instructions("CMD")[-1])
        return [str(word) for word in command]

    def environment(self, service: str, values: dict[str, str]) -> dict[str, str]:
        """Return what the image sets, and the service with these values in `.env`. Raise KeyError if one is absent."""
        set_by_image = dict(
            pair.split("=", 1) for line in self.instructions("ENV") for pair in line.split() if "=" in pair
        )
        set_by_service = self._services[service]["environment"]
        return set_by_image | {name: filled_in(value, values) for name, value in set_by_service.items()}

    def image_of(self, service: str) -> str:
        return str(self._services[service]["image"])

    def collecting_static_files(self) -> tuple[list[str], dict[str, str]]:
        """Return the command by which static files get into the image, and its whole environment."""
        (line,) = (line for line in self.instructions("RUN") if "collectstatic" in line)
        words = shlex.split(line.partition("&&")[0])
        given = {found[1]: found[2] for word in words if (found := ASSIGNMENT.fullmatch(word))}
        return words[len(given) :], self.environment_of_build() | given

    def environment_of_build(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.instructions("ENV")[0].split())

    def instructions(self, name: str) -> list[str]:
        """Return the arguments of each instruction with this name, on one line."""
        return re.findall(rf"^{name} (.+)$", self._dockerfile, re.MULTILINE)


def files_of_image(tree: Path = ROOT) -> list[str]:
    """Return the files of the tree that `COPY . .` takes, as .dockerignore says, without those that git ignores."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=tree, check=True, capture_output=True, text=True).stdout.split("\0")
    lines = (tree / ".dockerignore").read_text().splitlines()
    rules = [(line.startswith("!"), _pattern(line.lstrip("!"))) for line in lines if line and not line.startswith("#")]
    return sorted(name for name in listed if name and (tree / name).is_file() and _is_taken(name, rules))


def copy_files_of_image(folder: Path) -> None:
    """Copy them there, with the collected static files."""
    for name in files_of_image():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / STATIC_FILES).symlink_to(ROOT / STATIC_FILES)


def filled_in(text: Any, values: dict[str, str]) -> str:
    """Return a value of compose.yaml as Compose reads it."""

    def value(found: re.Match[str]) -> str:
        name, kind, otherwise = found.groups()
        return values.get(name, otherwise) if kind == "-" else values[name]

    return VARIABLE.sub(value, str(text))


def _pattern(line: str) -> re.Pattern[str]:
    """Compile a pattern of .dockerignore, which matches a file or everything in a folder."""
    parts = {r"\*\*/": "(?:.*/)?", r"\*": "[^/]*", r"\[": "[", r"\]": "]"}
    text = re.escape(line.strip("/"))
    for theirs, ours in parts.items():
        text = text.replace(theirs, ours)
    return re.compile(f"{text}(?:/.*)?")


def _is_taken(name: str, rules: list[tuple[bool, re.Pattern[str]]]) -> bool:
    """Apply the rules; the last match decides."""
    return next((taken for taken, pattern in reversed(rules) if pattern.fullmatch(name)), True)
