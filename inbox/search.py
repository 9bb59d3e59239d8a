"""What the owner looks for, and in which form words lie in the index. Pure; the index itself is the storage's.

A word is folded (lower case, ё as е, no accents) and reduced to its stem, so that one form finds the others. The index
takes exact terms only: a stem as it is, the beginnings of a word as "+конс", whose message it is as "=17". What it
returns are candidates: `Query.find` decides on the words themselves.

The stemmer strips endings and nothing else. It need not find the root, only give one result for the forms of one
word; where it does not (день, дня), the beginning of the word helps: `слово*`, or `Query.wider`.

What `document` returns is stored, and taken out of the index by making it again: a change of its result needs a
migration that fills the index anew. A test pins it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

BEGINNINGS = (3, 4, 6)
"""Lengths in which the beginning of a longer word is indexed; any other length is looked up by the next shorter one."""

_WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*")
_MARKS = re.compile(r"[\u0300-\u036f]|[\W_]")
_SHORT_I, _KEPT_SHORT_I = "и\u0306", "й"
_LONGEST = 40  # characters of a word: a hash or an address is found by its beginning
_MOST = 5000  # different words of one message
_QUOTED = re.compile(r"\"([^\"]*)\"|«([^»]*)»|“([^”]*)”")
_MOST_TERMS = 8


@dataclass(frozen=True, slots=True)
class Term:
    """kind: form (any form of the word), start (words that begin so; 3 letters at least), exact (these in a row)."""

    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """All terms must be there."""

    terms: tuple[Term, ...]

    def __bool__(self) -> bool:
        return bool(self.terms)

    def wider(self) -> Query | None:
        """The same for words that only begin so; None: it cannot be wider."""
        terms = tuple(
            replace(t, kind="start") if t.kind == "form" and len(t.words[0]) >= BEGINNINGS[0] else t for t in self.terms
        )
        return None if terms == self.terms else Query(terms)

    def index_terms(self) -> list[str]:
        """Every message that is found has all of these."""
        return list(dict.fromkeys(t for term in self.terms for t in _index_terms(term)))

    def find(self, text: str) -> tuple[tuple[int, int], ...] | None:
        """Where the words stand, in code points, in order; None where one is not there."""
        words = list(_words(text))
        found: set[tuple[int, int]] = set()
        for term in self.terms:
            places = list(_places(term, words))
            if not places:
                return None
            found.update(places)
        return tuple(sorted(found))


def parse(text: str) -> Query:
    """Words; `слово*` for what begins so; "in quotation marks" for exact words in a row."""
    terms: list[Term] = []
    at = 0
    for quoted in _QUOTED.finditer(text):
        terms += _loose(text[at : quoted.start()])
        exact = tuple(word for word, _, _ in _words(next(filter(None, quoted.groups()), "")))
        terms += [Term("exact", exact)] if exact else []
        at = quoted.end()
    terms += _loose(text[at:])
    return Query(tuple(dict.fromkeys(terms))[:_MOST_TERMS])


def fold(text: str) -> str:
    """Lower case without accents; ё is е, й stays й."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text).lower()
    return _MARKS.sub("", apart.replace(_SHORT_I, _KEPT_SHORT_I))


def names(text: str) -> list[str]:
    """The folded words of a name or of what is looked for among names."""
    return [word for word, _, _ in _words(text)]


def digits(text: str) -> str:
    """The digits of a phone number, however it is written; empty where there are letters."""
    found = re.sub(r"[\s()+.\-\u2010-\u2015\u00a0]", "", text)
    return found if found.isascii() and found.isdecimal() else ""


def document(text: str, identity: int) -> str:
    """What the index has of a message: its terms, with spaces between."""
    words = dict.fromkeys(word for word, _, _ in _words(text))
    terms = dict.fromkeys((owner(identity),))
    for _, word in zip(range(_MOST), words, strict=False):
        terms.update(dict.fromkeys(_terms(word)))
    return " ".join(terms)


@lru_cache(maxsize=4096)
def _terms(word: str) -> tuple[str, ...]:
    """A folded word's own; people use the same few thousand words."""
    return stem(word), *(f"+{word[:length]}" for length in BEGINNINGS if len(word) >= length)


def owner(identity: int) -> str:
    """The term that a message has by whose it is."""
    return f"={identity}"


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """(folded word, start, end)."""
    for found in _WORD.finditer(text):
        word = fold(found[0])[:_LONGEST]
        if word:
            yield word, found.start(), found.end()


def _loose(text: str) -> Iterator[Term]:
    for word, _, end in _words(text):
        begins = text[end : end + 1] == "*" and len(word) >= BEGINNINGS[0]
        yield Term("start" if begins else "form", (word,))


def _index_terms(term: Term) -> Iterator[str]:
    if term.kind != "start":
        yield from map(stem, term.words)
        return
    word = term.words[0]
    yield f"+{word[: max(n for n in BEGINNINGS if n <= len(word))]}"


def _places(term: Term, words: list[tuple[str, int, int]]) -> Iterator[tuple[int, int]]:
    first = term.words[0]
    for n, (word, start, end) in enumerate(words):
        match term.kind:
            case "form" if stem(word) == stem(first):
                yield start, end
            case "start" if word.startswith(first):
                yield start, end
            case "exact" if tuple(w for w, _, _ in words[n : n + len(term.words)]) == term.words:
                yield start, words[n + len(term.words) - 1][2]
            case _:
                continue


# -- stems ------------------------------------------------------------------------------------------------------------

_VOWELS = "аеиоуыэюя"
_CYRILLIC = re.compile(r"[а-яіїєґў]+")
_LATIN = re.compile(r"[a-z]+")

_REFLEXIVE = ("ся", "сь")
_MYA = ("мя", "мени", "менем")  # время, времени
_GERUND = ("ившись", "ывшись", "вшись", "ивши", "ывши", "вши")
_ADJECTIVE = tuple(
    "ыми ими его ого ему ому ее ие ые ое ей ий ый ой ем им ым ом их ых ую юю ая яя ою ею".split()
)  # fmt: skip
_PARTICIPLE = ("ивш", "ывш", "ующ", "ющ", "вш", "ем", "нн", "ащ", "ящ")
_VERB = tuple(
    "ила ыла ена ейте уйте ите или ыли ило ыло ено ует уют ены ить ыть ишь ышь ала яла али яли ало яло ают яют ает яет"
    " аете яете аем яем аешь яешь аю яю ать ять нно ана ано аны ете йте ешь ил ыл ал ял им ым ен ан ят ит ыт ую ют ет"
    " ай уй".split()
)
_NOUN = tuple(
    "иями ями ами ием иям ием иях ией ьями ьях ьям ьем ьев ях ям ем ам ом ах ев ов ие ье еи ии ей ой ий ию ью ия ья"
    " а е и й о у ы ь ю я".split()
)


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """One result for the forms of a folded word; what is neither Russian nor English is left alone."""
    if _CYRILLIC.fullmatch(word):
        return _russian(word)
    return _english(word) if _LATIN.fullmatch(word) else word


def _russian(word: str) -> str:
    """Gerund, else reflexive and then the longest of adjective, verb, noun endings; then what stands behind the root.

    An ending goes only where three letters with a vowel among them are left.
    """
    if word.endswith(_MYA) and len(word) > 2:
        return re.sub("(мя|мени|менем)$", "м", word)
    rest = _without(word, _GERUND)
    if rest == word:
        rest = word if word.endswith("пись") else _without(word, _REFLEXIVE)
        bare = _without(rest, _ADJECTIVE)
        if bare != rest:
            rest = _without(bare, _PARTICIPLE)
        else:
            verb, noun = _without(rest, _VERB), _without(rest, _NOUN)
            rest = min(verb, noun, key=len)
    rest = _without(rest, ("и",))
    rest = _without(rest, ("ость", "ост"))
    if rest.endswith("нн"):
        rest = rest[:-1]
    return _fleeting(_without(rest, ("ь",)))


def _without(word: str, endings: tuple[str, ...]) -> str:
    for length in range(min(6, len(word) - 3), 0, -1):
        if word[-length:] in endings and _has_root(word[:-length]):
            return word[:-length]
    return word


def _has_root(rest: str) -> bool:
    return any(letter in _VOWELS for letter in rest)


def _fleeting(rest: str) -> str:
    """скидок is скидк as in скидка, отец is отц as in отца, денег is денг as деньг in деньги."""
    if len(rest) > 3 and rest[-2] in "оеь" and rest[-1] in "кцг" and rest[-3] not in _VOWELS:
        return rest[:-2] + rest[-1]
    return rest


def _english(word: str) -> str:
    """Plural, -ing and -ed, then a last e or y, a doubled consonant."""
    rest = word
    if len(rest) > 4 and rest.endswith("ies"):
        rest = rest[:-3] + "y"
    elif len(rest) > 3 and rest.endswith("s") and not rest.endswith(("ss", "us", "is")):
        rest = rest[:-1]
    for ending in ("ing", "ed"):
        if rest.endswith(ending) and len(rest) - len(ending) >= 3 and re.search("[aeiouy]", rest[: -len(ending)]):
            rest = rest[: -len(ending)]
            if rest[-1] == rest[-2] and rest[-1] not in "lsz":
                rest = rest[:-1]
            break
    if len(rest) > 3 and rest[-1] == "e":
        rest = rest[:-1]
    return rest[:-1] + "i" if len(rest) > 3 and rest[-1] == "y" else rest
