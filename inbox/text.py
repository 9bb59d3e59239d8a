"""Text with spans: measure, cut, join, and drop formatting that a network has not.

What a reader sees as one character is never cut: CR LF, combining marks, variation selectors, skin tones, tags (flags
of regions), ZWJ sequences, keycaps and flags (pairs of regional indicators). Beyond these few rules of Unicode's
annex 29 the segmentation knows nothing: Hangul given as single jamo, prepended marks and Indic conjuncts may be cut
between code points. Whatever follows a joiner is kept with it, which is more than the annex asks.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from inbox.model import Span, Text

Measure = Callable[[Text], int]


_ZWJ = "\u200d"
_ZWNJ = "\u200c"
_NO_BREAK = frozenset("\u00a0\u2007\u202f")
_NEWLINES = frozenset("\n\u2028\u2029")
_SENTENCE_ENDS = frozenset(".!?\u2026\u3002\uff01\uff1f")
_CLOSING = frozenset("\"')]}\u00bb\u201c\u201d\u2019")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"\u00ab\u00bb]+", re.IGNORECASE)
_ATOMIC = frozenset({"link", "mention"})
_PARAGRAPH, _LINE, _SENTENCE, _WORD = range(4)


def size(text: str, unit: str) -> int:
    """Length in "chars" (code points), "bytes" (UTF-8) or "utf16" (UTF-16 units). ValueError for another unit."""
    if unit == "chars":
        return len(text)
    if unit == "bytes":
        return len(text.encode("utf-8", "surrogatepass"))
    if unit == "utf16":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    raise ValueError(f"no unit {unit}")


def to_utf16(text: str, offset: int) -> int:
    """Code point offset to UTF-16 units."""
    return size(text[:offset], "utf16")


def boundaries(text: str) -> list[int]:
    """Every offset at which the text may be cut between characters as a reader sees them, 0 and the end included."""
    points = [0]
    flags = 0  # regional indicators in a row before this place
    for i in range(1, len(text)):
        before, after = text[i - 1], text[i]
        flags = flags + 1 if _is_flag_half(before) else 0
        if not _glued(before, after, flags):
            points.append(i)
    if text:
        points.append(len(text))
    return points


def cut(text: Text, start: int, end: int) -> Text:
    """The piece between two code point offsets, with what of the spans lies in it."""
    spans = (
        replace(s, start=max(s.start, start) - start, end=min(s.end, end) - start)
        for s in text.spans
        if s.start < end and s.end > start
    )
    return Text(text.plain[start:end], tuple(spans))


def join(texts: Iterable[Text], separator: str = "\n") -> Text:
    """As str.join: nothing is skipped."""
    plain: list[str] = []
    spans: list[Span] = []
    at = 0
    for text in texts:
        if plain:
            plain.append(separator)
            at += len(separator)
        plain.append(text.plain)
        spans += [replace(s, start=s.start + at, end=s.end + at) for s in text.spans]
        at += len(text.plain)
    return Text("".join(plain), tuple(spans))


def keep(text: Text, kinds: frozenset[str]) -> Text:
    """Drop the span kinds that a network has not. A dropped link's words are followed by its address in parentheses."""
    spans = [s for s in text.spans if s.kind in kinds]
    plain = text.plain
    lost = [s for s in text.spans if s.kind == "link" and s.kind not in kinds and _hides_address(text, s)]
    for link in sorted(lost, key=lambda s: s.end, reverse=True):
        tail = f" ({link.url})"
        plain = plain[: link.end] + tail + plain[link.end :]
        spans = [_shifted(s, link, len(tail)) for s in spans]
    return Text(plain, tuple(spans))


def split(text: Text, limit: int, unit: str, measure: Measure | None = None) -> tuple[Text, ...]:
    """Several texts, in order, each within the limit; only white space at a cut (and at the ends, if cut at all) goes.

    Cut at a paragraph, a line or a sentence, where one ends in the second half of what fits, else at a word, else
    between characters. Not inside a link, a mention or a bare address that fits in one text. `measure` counts what is
    really sent, in the network's unit, where marks or escapes are added; more text must not measure less. A character
    that does not fit alone is cut between code points; a single code point is never refused here. Empty for a text of
    nothing but white space. ValueError for a limit under 1.
    """
    if limit < 1:
        raise ValueError("limit under 1")
    if not text.plain.strip():
        return ()
    if (measure(text) if measure else size(text.plain, unit)) <= limit:
        return (text,)
    cutter = _Cutter(text, limit, unit, measure)
    pieces = (cut(text, start, end) for start, end in cutter.pieces())
    return tuple(p for p in pieces if p.plain.strip())  # no-break spaces alone are no message either


@dataclass(frozen=True, slots=True)
class _Gap:
    """A run of white space; `level` says what ends before it."""

    start: int
    end: int
    level: int


class _Cutter:
    def __init__(self, text: Text, limit: int, unit: str, measure: Measure | None) -> None:
        self._text = text
        self._limit = limit
        self._measure = measure
        self._points = boundaries(text.plain)
        self._sums = [0]
        for weight in _weights(text.plain, unit):
            self._sums.append(self._sums[-1] + weight)
        atoms = [(s.start, s.end) for s in text.spans if s.kind in _ATOMIC]
        atoms += [m.span() for m in _URL.finditer(text.plain)]
        self._atoms = [a for a in (self._whole(*a) for a in atoms) if self._fits(*a)]
        self._gaps = list(_gaps(text.plain, self._points))
        self._gap_starts = [g.start for g in self._gaps]

    def pieces(self) -> Iterator[tuple[int, int]]:
        start, end = self._inside()
        while start < end:
            if self._fits(start, end):
                yield start, end
                return
            stop, following = self._next_cut(start, end)
            yield start, stop
            start = following

    def _inside(self) -> tuple[int, int]:
        start, end = 0, len(self._text.plain)
        if self._gaps and self._gaps[0].start == 0:
            start = self._gaps[0].end
        if self._gaps and self._gaps[-1].end == end:
            end = self._gaps[-1].start
        return start, end

    def _whole(self, start: int, end: int) -> tuple[int, int]:
        """The same stretch with the characters at its ends whole."""
        points = self._points
        return points[bisect_right(points, start) - 1], points[bisect_left(points, min(end, points[-1]))]

    def _next_cut(self, start: int, end: int) -> tuple[int, int]:
        """Where the piece stops, and where the next one starts."""
        far = self._farthest(start, end)
        for gap in self._by_preference(start, far):
            if not self._splits_atom(gap.start) and self._fits(start, gap.start):
                return gap.start, gap.end
        stop = self._before_atoms(start, far)
        return stop, stop

    def _farthest(self, start: int, end: int) -> int:
        """The last boundary up to which the text fits; one code point at least."""
        points = self._points
        low, high = bisect_right(points, start), bisect_right(points, end)
        last = _last_fit(low, high, lambda i: self._fits(start, points[i]))
        if last is not None:
            return points[last]
        inside = _last_fit(start + 1, points[low], lambda i: self._fits(start, i))
        return inside if inside is not None else start + 1

    def _by_preference(self, start: int, far: int) -> list[_Gap]:
        found = self._gaps[bisect_right(self._gap_starts, start) : bisect_right(self._gap_starts, far)]
        half = start + (far - start) // 2
        return sorted(found, key=lambda g: (g.level if g.start >= half else _WORD, -g.start))

    def _splits_atom(self, at: int) -> bool:
        return any(s < at < e for s, e in self._atoms)

    def _before_atoms(self, start: int, stop: int) -> int:
        """Move a cut between characters to the front of what must stay whole; `stop` where that leaves nothing."""
        at = stop
        while around := [s for s, e in self._atoms if s < at < e]:
            at = min(around)
        return at if at > start else stop

    def _fits(self, start: int, end: int) -> bool:
        if self._measure is not None:
            return self._measure(cut(self._text, start, end)) <= self._limit
        return self._sums[end] - self._sums[start] <= self._limit


def _last_fit(low: int, high: int, fits: Callable[[int], bool]) -> int | None:
    """The last of range(low, high) that fits, given that nothing fits after one that does not."""
    last = None
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            last, low = middle, middle + 1
        else:
            high = middle
    return last


def _gaps(plain: str, points: list[int]) -> Iterator[_Gap]:
    """Runs of whole characters that are white space; a space under a combining mark is none."""
    start: int | None = None
    for a, b in pairwise(points):
        if all(c.isspace() and c not in _NO_BREAK for c in plain[a:b]):
            start = a if start is None else start
        elif start is not None:
            yield _Gap(start, a, _level(plain, start, a))
            start = None
    if start is not None:
        yield _Gap(start, len(plain), _level(plain, start, len(plain)))


def _level(plain: str, start: int, end: int) -> int:
    lines = sum(c in _NEWLINES for c in plain[start:end])
    if lines > 1:
        return _PARAGRAPH
    if lines == 1:
        return _LINE
    last = start - 1
    while last >= 0 and plain[last] in _CLOSING:
        last -= 1
    return _SENTENCE if last >= 0 and plain[last] in _SENTENCE_ENDS else _WORD


def _glued(before: str, after: str, flags: int) -> bool:
    if before == "\r" and after == "\n":
        return True
    if _is_control(before) or _is_control(after):
        return False
    if _extends(after):
        return True
    if before == _ZWJ:
        return not after.isspace()
    return flags % 2 == 1 and _is_flag_half(after)


def _extends(char: str) -> bool:
    if char < "\u0300":
        return False
    if char in (_ZWJ, _ZWNJ) or "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f":
        return True
    return unicodedata.category(char) in ("Mn", "Me", "Mc")


def _is_control(char: str) -> bool:
    return char < " " or char in "\u007f\u0085\u2028\u2029"


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _weights(text: str, unit: str) -> Iterator[int]:
    if unit == "chars":
        return (1 for _ in text)
    if unit == "utf16":
        return (2 if c > "\uffff" else 1 for c in text)
    if unit == "bytes":
        return (1 if c < "\x80" else 2 if c < "\u0800" else 3 if c <= "\uffff" else 4 for c in text)
    raise ValueError(f"no unit {unit}")


def _hides_address(text: Text, link: Span) -> bool:
    return bool(link.url) and _bare(text.plain[link.start : link.end]) != _bare(link.url or "")


def _bare(address: str) -> str:
    """An address as people write it: without scheme and closing slash."""
    return re.sub(r"^(?:https?://|mailto:|tel:)", "", address.strip().casefold()).rstrip("/")


def _shifted(span: Span, link: Span, width: int) -> Span:
    """The span after `width` was put in behind the link. A quote that ends with the link holds the address too."""
    start = span.start + width if span.start >= link.end else span.start
    grows = span.end > link.end or (span.kind == "quote" and span.end == link.end)
    return replace(span, start=start, end=span.end + width if grows else span.end)
