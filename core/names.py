"""When two spellings of a name are one name: what keyboards, forms and copying change, and nothing else.

Names are kept and shown as they were typed. Only comparison folds them: letter case, composition and width, every
apostrophe, dash and space, and what shows nothing. Accents are kept: Jose and José may be two people, and only where
other things are alike as well does anybody ask (`are_near`).
"""

import unicodedata
from collections import Counter
from itertools import takewhile

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


# --- What may be one name, or one id, by a slip in typing ------------------------------------------------------------

_ZEROS_IN_FRONT = regex.compile(r"(?<![0-9])0+(?=[0-9])")
_NO_LETTER = regex.compile(r"[^\p{L}\p{N}]+")
_ACCENTS = regex.compile(r"\p{Mn}+")
_SHORTEST_WITH_A_SLIP = 5

FullName = tuple[str, str]  # first and last


def fold_reference(text: str) -> str:
    """An id as others may have written it: without case, spaces and punctuation, and without zeros in front of numbers,
    which spreadsheets drop. For comparison only; empty if nothing is left."""
    return _NO_LETTER.sub("", _ZEROS_IN_FRONT.sub("", fold_name(text)))


def are_near(one: FullName, other: FullName) -> bool:
    """Whether two full names may be meant for one person of one household: the same letters but for accents and gaps,
    the same words in another order, one with a middle name more, or a slip inside one longer word.

    A slip at either end of a word is none: Mario and Maria, Jason and Mason are siblings.
    """
    ours = _words(one)
    theirs = _words(other)
    if "".join(ours) == "".join(theirs) or sorted(ours) == sorted(theirs):
        return bool(ours)
    fewer, more = sorted((ours, theirs), key=len)
    if len(fewer) < len(more):
        return len(fewer) > 1 and not Counter(fewer) - Counter(more)
    unlike = [(mine, other) for mine, other in zip(ours, theirs, strict=True) if mine != other]
    return len(unlike) == 1 and _is_a_slip(*unlike[0])


def _words(name: FullName) -> list[str]:
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", fold_name(" ".join(name)).replace("'", "")))
    return _NO_LETTER.sub(" ", plain).split()


def _is_a_slip(one: str, other: str) -> bool:
    """One letter more, less or other, or two that changed places, between a first and a last letter that agree."""
    if min(len(one), len(other)) < _SHORTEST_WITH_A_SLIP:
        return False
    start = _alike_at_the_start(one, other)
    end = _alike_at_the_start(one[start:][::-1], other[start:][::-1])
    left = one[start : len(one) - end], other[start : len(other) - end]
    if not (start and end):
        return False
    return max(map(len, left)) == 1 or (len(left[0]) == 2 and left[0] == left[1][::-1])


def _alike_at_the_start(one: str, other: str) -> int:
    """How many letters."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
