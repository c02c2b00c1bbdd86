"""When two spellings are the same name: comparison ignores only what keyboards, forms, and copying change.

Names are stored and shown as they were typed. Only comparison folds them: letter case, composition and width, every
kind of apostrophe, dash, and space, and invisible characters. Accents are kept: Jose and José may be two people, and
staff are asked only where other details also match (`are_near`).
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
_DOTTED_I = "i\u0307"  # what folding makes of the capital dotted I


def fold_name(text: str) -> str:
    """Return the name folded for comparison, and for no other use: people don't write their names like that."""
    # first: compatibility folding would turn some of them into a space and an accent
    text = _APOSTROPHES.sub("'", text)
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    text = unicodedata.normalize("NFKC", text.casefold()).replace(_DOTTED_I, "i")
    text = _APOSTROPHES.sub("'", _DASHES.sub("-", text))
    return str(_SPACES.sub(" ", text)).strip()


# --- What may be one name, or one id, apart from a typing slip -------------------------------------------------------

_ZEROS_IN_FRONT = regex.compile(r"(?<![0-9])0+(?=[0-9])")
_NO_LETTER = regex.compile(r"[^\p{L}\p{N}]+")
_ACCENTS = regex.compile(r"\p{Mn}+")
_SHORTEST_WITH_A_SLIP = 5

FullName = tuple[str, str]  # first and last


def fold_reference(text: str) -> str:
    """Fold an id as others may have written it: without case, spaces, and punctuation, and without leading zeros of
    numbers, which spreadsheets drop. For comparison only; empty if nothing is left."""
    return _NO_LETTER.sub("", _ZEROS_IN_FRONT.sub("", fold_name(text)))


def are_near(one: FullName, other: FullName) -> bool:
    """Return whether two full names may belong to one person of one household: the same letters apart from accents and
    gaps, the same words in another order, one name with an extra middle name, or a slip inside one longer word.

    A difference at either end of a word does not count as a slip: Mario and Maria, Jason and Mason are siblings.
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
    """Return whether one letter was added, dropped, or changed, or two swapped, between equal outer letters."""
    if min(len(one), len(other)) < _SHORTEST_WITH_A_SLIP:
        return False
    start = _alike_at_the_start(one, other)
    end = _alike_at_the_start(one[start:][::-1], other[start:][::-1])
    left = one[start : len(one) - end], other[start : len(other) - end]
    if not (start and end):
        return False
    return max(map(len, left)) == 1 or (len(left[0]) == 2 and left[0] == left[1][::-1])


def _alike_at_the_start(one: str, other: str) -> int:
    """Return how many leading letters agree."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
