"""What the Dockerfile and compose.yaml of a source tree say about how to run it, read instead of repeated."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Image:
    """A tree as the image would be made of it."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self._dockerfile = (tree / "Dockerfile").read_text().replace("\\\n", " ")
        self._services = yaml.safe_load((tree / "compose.yaml").read_text())["services"]

    def command(self, service: str) -> list[str]:
        """Of a service of compose.yaml, or the image's own."""
        command = self._services[service].get("command") or json.loads(self._instruction("CMD")[-1])
        return [str(word) for word in command]

    def environment(self, service: str, values: dict[str, str]) -> dict[str, str]:
        """What the image sets, and the service with these values in its `.env`. Raises KeyError for one it wants."""
        set_by_image = dict(
            pair.split("=", 1) for line in self._instruction("ENV") for pair in line.split() if "=" in pair
        )
        set_by_service = self._services[service]["environment"]
        return set_by_image | {name: filled_in(value, values) for name, value in set_by_service.items()}

    def _instruction(self, name: str) -> list[str]:
        return re.findall(rf"^{name} (.+)$", self._dockerfile, re.MULTILINE)


def filled_in(text: Any, values: dict[str, str]) -> str:
    """A value of compose.yaml, as Compose reads it."""

    def value(found: re.Match[str]) -> str:
        name, kind, otherwise = found.groups()
        return values.get(name, otherwise) if kind == "-" else values[name]

    return VARIABLE.sub(value, str(text))
