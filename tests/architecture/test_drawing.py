"""docs/images/imports.svg shows the present imports, and all of them point down."""

import re

import pytest

from .drawing import DRAWING, draw, read_imports, read_order


class TestTheDrawing:
    def test_shows_the_imports_there_are(self) -> None:
        packages = read_order()

        assert DRAWING.read_text() == draw(packages, read_imports(packages)), "run `make drawing`"

    def test_has_an_arrow_for_each_of_them(self) -> None:
        imports = {"roof": {"house", "cellar"}, "house": {"cellar"}, "cellar": set[str]()}

        arrows = re.findall(r"V\d+\" marker-end", draw(["roof", "house", "cellar"], imports))

        assert len(arrows) == 3

    def test_is_refused_for_an_import_that_points_up(self) -> None:
        imports = {"roof": set[str](), "cellar": {"roof"}}

        with pytest.raises(ValueError, match="cellar imports roof"):
            draw(["roof", "cellar"], imports)

    def test_has_every_package_that_can_be_imported(self) -> None:
        packages = read_order()

        assert packages[0] == "enrollment_project"
        assert packages[-1] == "core"
        assert {"accounts", "billing", "cohorts", "enrollments"} < set(packages)
