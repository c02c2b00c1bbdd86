"""Text on paper (PDF) in any script: fonts, direction, letter shapes, and line breaks.

People's names decide which scripts occur, so every text is laid out here: it is cut into lines that fit, each line is
put into reading order, and each letter is drawn with the first font that has it. Characters that no font has are
spelled out in brackets rather than left out. docs/decisions/0014-scripts-on-paper.md says which fonts, and why.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import regex
from arabic_reshaper import ArabicReshaper
from bidi import get_display
from reportlab.lib.colors import Color
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import ShapedStr, TTFont, shapeStr
from reportlab.platypus import Flowable

FONTS = Path(__file__).parent / "fonts"
REGULAR = "DejaVuSans"
BOLD = "DejaVuSans-Bold"
# Tried in this order for characters that the text's own font lacks.
_OTHERS = ("NotoSansThai-Regular", "NotoSansDevanagari-Regular", "DroidSansFallback")
# In these scripts the letters before a mark decide its position, and letters join: HarfBuzz places them.
_SHAPED = frozenset(("NotoSansThai-Regular", "NotoSansDevanagari-Regular"))
_CHARACTERS = regex.compile(r"\X")
_BREAKS_AFTER = regex.compile(r"[\s\-/\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_UNJOINED = "\u200c"  # keeps two Arabic letters apart; needed until their shapes are chosen
_INVISIBLE = regex.compile(rf"[\p{{Cc}}\p{{Cf}}\p{{Variation_Selector}}--{_UNJOINED}]", regex.V1)
_BRACKETS = {"(": ")", "[": "]", "{": "}", "«": "»"}
_RIGHT_TO_LEFT = ("R", "AL")
_shape_arabic = ArabicReshaper({"delete_harakat": False}).reshape


@dataclass(frozen=True, slots=True)
class Line:
    """One line in drawing order: pieces of text, each with its font."""

    runs: tuple[tuple[str, str], ...]
    size: float

    @property
    def width(self) -> float:
        return sum(_width(text, font, self.size) for text, font in self.runs)


class PrintedLine(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A line as a row of its own, so that a text of any length continues over as many pages as it needs."""

    def __init__(self, line: Line, *, color: Color, right: bool = False) -> None:
        super().__init__()
        self.line = line
        self.color = color
        self.right = right

    def wrap(self, available_width: float, available_height: float) -> tuple[float, float]:
        self.width = available_width
        self.height = self.line.size * 1.5
        return self.width, self.height

    def draw(self) -> None:
        x = self.width - self.line.width if self.right else 0.0
        self.canv.setFillColor(self.color)
        for text, font in self.line.runs:
            self.canv.setFont(font, self.line.size)
            self.canv.drawString(x, self.line.size * 0.4, text, shaping=font in _SHAPED)
            x += _width(text, font, self.line.size)


def lay_out(text: str, *, width: float, size: float = 10, bold: bool = False) -> list[Line]:
    """Return the lines that hold `text` within `width` points; at least one, even if it is empty."""
    first = BOLD if bold else REGULAR
    lines = []
    for paragraph in text.splitlines() or [""]:
        shaped = _shape_arabic(spell_out(unicodedata.normalize("NFC", paragraph))).replace(_UNJOINED, "")
        direction = _direction(shaped)
        for piece in _break(shaped, first, size, width):
            lines.append(Line(tuple(_runs(_mirrored(get_display(piece, base_dir=direction)), first)), size))
    return lines


def spell_out(text: str) -> str:
    """Return `text` with every visible character our fonts have, and the rest by name or number."""
    return "".join(_CHARACTERS.sub(lambda match: _spelled(match[0]), text))


def _spelled(character: str) -> str:
    spelled = ""
    for letter in character:
        if letter.isspace():
            spelled += " "
        elif _INVISIBLE.match(letter):
            continue
        elif _font_of(letter, REGULAR):
            spelled += letter
        else:
            name = unicodedata.name(letter, "").lower()
            is_symbol = unicodedata.category(letter).startswith("S") and name
            spelled += f"[{name}]" if is_symbol else f"[U+{ord(letter):04X}]"
    return spelled


def _break(text: str, first: str, size: float, width: float) -> Iterator[str]:
    """Break where words end, or inside a word that is longer than a line."""
    line = ""
    used = 0.0
    good = 0  # `good`: how much of the line may be kept
    for character in _CHARACTERS.findall(text):
        wide = _measure(character, first, size)
        if line and used + wide > width and not character.isspace():
            cut = good or len(line)
            yield line[:cut].rstrip()
            line = line[cut:]
            good = 0
            used = _measure(line, first, size)
        line += character
        used += wide
        if _BREAKS_AFTER.fullmatch(character[-1]):
            good = len(line)
    yield line.rstrip()


def _measure(text: str, first: str, size: float) -> float:
    return sum(_width(run, font, size) for run, font in _runs(text, first))


def _runs(text: str, first: str) -> Iterator[tuple[str, str]]:
    """Split the text into pieces of one font; marks and spaces go with the letter before them if its font has them."""
    fonts: list[str] = []
    for letter in text:
        before = fonts[-1] if fonts else ""
        joins = letter.isspace() or unicodedata.category(letter).startswith("M")
        stays = joins and before and _has(before, letter)
        fonts.append(before if stays else _font_of(letter, first) or first)
    for font, group in groupby(zip(text, fonts, strict=True), key=lambda pair: pair[1]):
        yield "".join(letter for letter, _ in group), font


def _font_of(letter: str, first: str) -> str:
    return next((font for font in (first, REGULAR, *_OTHERS) if _has(font, letter)), "")


def _has(font: str, letter: str) -> bool:
    return ord(letter) in _load(font)


@cache
def _load(font: str) -> Any:
    """Return the code points that a font has; each font is read once, when a text first needs it."""
    loaded = TTFont(font, FONTS / f"{font}.ttf", shapable=font in _SHAPED)
    pdfmetrics.registerFont(loaded)
    return frozenset(loaded.face.charToGlyph)


def _width(text: str, font: str, size: float) -> float:
    _load(font)
    if font in _SHAPED:
        shaped = shapeStr(text, font, size)
        if isinstance(shaped, ShapedStr):
            return float(sum(glyph.x_advance for glyph in shaped.__shapeData__) * size / 1000)
    return float(pdfmetrics.stringWidth(text, font, size))


def _mirrored(drawn: str) -> str:
    """Mirror brackets around right-to-left words so that they open toward them. The order is already right; where a
    pair closes before it opens, each becomes the other."""
    letters = list(drawn)
    opened: list[int] = []
    closed: list[int] = []
    for place, letter in enumerate(letters):
        if letter in _BRACKETS:
            partner = _BRACKETS[letter]
            if closed and letters[closed[-1]] == partner:
                letters[closed.pop()] = letter
                letters[place] = partner
            else:
                opened.append(place)
        elif letter in _BRACKETS.values():
            if opened and _BRACKETS[letters[opened[-1]]] == letter:
                opened.pop()
            else:
                closed.append(place)
    return "".join(letters)


def _direction(text: str) -> str:
    """Return a paragraph's direction: that of its first letter (Unicode's rules P2 and P3)."""
    strong = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", *_RIGHT_TO_LEFT)), "L")
    return "R" if strong in _RIGHT_TO_LEFT else "L"
