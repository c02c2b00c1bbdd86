"""Draw which package imports which, from the imports themselves, into docs/images/imports.svg (`make drawing`).

The packages form a staircase in the order of .importlinter. A line leaves each package to the right and drops onto the
packages it imports. An import of a package above could only be drawn upward, so it is refused.
"""

import ast
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DRAWING = ROOT / "docs" / "images" / "imports.svg"
PASSED_OVER = {"tests", "migrations"}

Imports = dict[str, set[str]]

BOX, STEP_RIGHT, STEP_DOWN, MARGIN = (152, 34), 92, 54, 16
STYLE = """
    text { font: 14px system-ui, sans-serif; text-anchor: middle; dominant-baseline: central; fill: #1f2937 }
    rect.package { fill: #eef2ff; stroke: #6366f1 }
    path { fill: none; stroke: #64748b; stroke-width: 1.3 }
    circle { fill: #64748b }"""


def read_order() -> list[str]:
    """Return the packages from the top down, as .importlinter orders them."""
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    named = contracts["importlinter:contract:apps"]["layers"]
    packages = [
        name.strip("() ").split(".")[0] for line in named.splitlines() for name in line.replace(":", "|").split("|")
    ]
    return [package for package in dict.fromkeys(packages) if (ROOT / package / "__init__.py").exists()]


def read_imports(packages: list[str]) -> Imports:
    """Return what each package imports of the others, excluding tests and migrations."""
    found: Imports = {package: set() for package in packages}
    for package in packages:
        for source in (ROOT / package).rglob("*.py"):
            if not PASSED_OVER & set(source.relative_to(ROOT).parts):
                found[package] |= _imported(ast.parse(source.read_text())) & (set(packages) - {package})
    return found


def _imported(tree: ast.Module) -> set[str]:
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    return {name.split(".")[0] for name in names}


def draw(order: list[str], imports: Imports) -> str:
    """Return the SVG. Raise ValueError for an import that points up."""
    step = {package: number for number, package in enumerate(order)}
    upward = [f"{low} imports {high}" for low, of in imports.items() for high in of if step[high] < step[low]]
    if upward:
        raise ValueError("; ".join(sorted(upward)))
    lines = [line for package in order for line in _arrows(package, imports[package], step)]
    boxes = [line for package in order for line in _box(package, step[package])]
    width = 2 * MARGIN + (len(order) - 1) * STEP_RIGHT + BOX[0]
    height = 2 * MARGIN + (len(order) - 1) * STEP_DOWN + BOX[1]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' role="img" aria-label="Which package imports which: every arrow points down">',
            f"  <style>{STYLE}\n  </style>",
            '  <marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z" style="fill: #64748b; stroke: none"/></marker>',
            f'  <rect width="{width}" height="{height}" fill="#ffffff"/>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _corner(step: int) -> tuple[int, int]:
    return MARGIN + step * STEP_RIGHT, MARGIN + step * STEP_DOWN


def _box(package: str, step: int) -> list[str]:
    left, top = _corner(step)
    return [
        f'  <rect class="package" x="{left}" y="{top}" width="{BOX[0]}" height="{BOX[1]}" rx="6"/>',
        f'  <text x="{left + BOX[0] // 2}" y="{top + BOX[1] // 2}">{package}</text>',
    ]


def _arrows(package: str, imported: set[str], step: dict[str, int]) -> list[str]:
    """Draw one line to the right, and from it one arrow down to each imported package."""
    left, top = _corner(step[package])
    y = top + BOX[1] // 2
    drawn = []
    for other in sorted(imported, key=step.__getitem__):
        onto, target = _corner(step[other])
        x = onto + BOX[0] - BOX[0] // 4
        drawn.append(f'  <path d="M{left + BOX[0]} {y}H{x}V{target}" marker-end="url(#head)"/>')
        drawn.append(f'  <circle cx="{x}" cy="{y}" r="3"/>')
    return drawn


if __name__ == "__main__":
    packages = read_order()
    DRAWING.write_text(draw(packages, read_imports(packages)))
