"""Which characters text may hold: those no database stores and those nobody can see in a name are refused."""

import regex
from django.utils.translation import gettext as _

# Characters that show nothing and yet make two texts differ (Unicode calls them default ignorable), control characters,
# and line separators. Exceptions: the joiners used to spell Persian, Indic scripts, and emoji, and variation selectors.
_INVISIBLE = regex.compile(
    r"[[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Zl}\p{Zp}]--[\u200C\u200D\uFE00-\uFE0F]]", regex.V1
)
# Letters, digits, punctuation and symbols, unless their glyph is blank (a Hangul filler, an empty Braille cell).
_VISIBLE = regex.compile(r"[[\p{L}\p{N}\p{P}\p{S}]--[\p{Default_Ignorable_Code_Point}\u2800]]", regex.V1)
_LINE_BREAKS = "\t\n\r"


def storage_fault(text: str) -> str:
    """Return why no database would store the text; empty if one would."""
    if "\x00" in text:
        return "NUL characters are not allowed."
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "Text must be valid Unicode (a lone surrogate was found)."
    return ""


def visibility_fault(text: str, *, multiline: bool = False) -> str:
    """Return a sentence that names the first invisible character and its code point; empty if there is none."""
    for found in _INVISIBLE.finditer(text):
        if not (multiline and found[0] in _LINE_BREAKS):
            return _("Control and invisible characters are not allowed (%(character)s was found).") % {
                "character": f"U+{ord(found[0]):04X}"
            }
    if text and not shows_something(text):
        return _("Enter text that can be seen.")
    return ""


def shows_something(text: str) -> bool:
    """Return whether a reader would see anything of the text."""
    return _VISIBLE.search(text) is not None


def trim(text: str) -> str:
    """Return the text without invisible characters at its ends: copied names often bring such characters along."""
    start = 0
    end = len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_blank(character: str) -> bool:
    is_control = character < " " or "\x7f" <= character < "\xa0"
    return character.isspace() or (_INVISIBLE.match(character) is not None and not is_control)
