"""When two spellings of a name are one name: what keyboards, forms and copying change, and nothing else.

Names are kept and shown as they were typed. Only comparison folds them: letter case, composition and width, every
apostrophe, dash and space, and what shows nothing. Accents are kept: Jose and José may be two people.
"""

import unicodedata

import regex

_APOSTROPHES = regex.compile(
    "[\u0060\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u055a\u05f3\u2018\u2019\u201b\u2032\ua78c\uff07]"
)
_DASHES = regex.compile(r"[\p{Pd}\u2212]")
_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\u2800--[\t\n\r]]", regex.V1)
_SPACES = regex.compile(r"[\p{White_Space}\p{Z}]+")
_DOTTED_I = "i\u0307"  # what the capital dotted I becomes when it is folded


def fold_name(text: str) -> str:
    """The name for comparison; for no other use, since nobody writes themselves so."""
    text = _APOSTROPHES.sub("'", text)  # first: compatibility would make some of them a space and an accent
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    text = unicodedata.normalize("NFKC", text.casefold()).replace(_DOTTED_I, "i")
    text = _APOSTROPHES.sub("'", _DASHES.sub("-", text))
    return str(_SPACES.sub(" ", text)).strip()
