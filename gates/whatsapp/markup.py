"""WhatsApp's marks and our spans, both ways.

*bold*, _italic_, ~strike~, `code`, ```monospace``` and "> quote". A mark counts only around words that touch it from
inside and nothing alphanumeric from outside, on one line (monospace: over several).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from inbox.model import Span, Text

_MARKS = {"*": "bold", "_": "italic", "~": "strike"}
_SIGNS = {kind: sign for sign, kind in _MARKS.items()} | {"code": "`", "pre": "```", "quote": "> "}
_VERBATIM = frozenset({"code", "pre"})
_PRE = re.compile(r"```(?=[^`])(.+?)```", re.DOTALL)
_LITERAL = re.compile(r"`([^`\n]+)`|https?://\S+", re.IGNORECASE)
_QUOTE = re.compile(r"^> (?=\S)")


def to_text(marked: str) -> Text:
    """Read a text as WhatsApp sends it. Marks that form no pair stay as they are."""
    out = _Built()
    end = 0
    for found in _PRE.finditer(marked):
        if not found[1].strip():
            continue
        _lines(out, marked[end : found.start()], fresh=_fresh(marked, end))
        out.add(found[1], "pre")
        end = found.end()
    _lines(out, marked[end:], fresh=_fresh(marked, end))
    return Text(out.plain(), tuple(sorted(out.spans, key=lambda s: (s.start, -s.end, s.kind))))


def to_whatsapp(text: Text) -> str:
    """Write a text with WhatsApp's marks; a link under words becomes the words and the address in parentheses.

    A mark that WhatsApp would show as a sign (inside a word) is left out, the words never are.
    """
    return _render(text.plain, _links(text) + _runs(text))


def without_marks(text: Text) -> str:
    """The words, and the addresses of links under words."""
    return _render(text.plain, _links(text))


def rendered_length(text: Text) -> int:
    """Code points that `to_whatsapp` makes of it: what WhatsApp's limits count."""
    return len(to_whatsapp(text))


@dataclass(slots=True)
class _Built:
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    spans: list[Span] = field(default_factory=list)

    def add(self, words: str, kind: str | None = None) -> None:
        if kind:
            self.spans.append(Span(kind, self.length, self.length + len(words)))
        self.pieces.append(words)
        self.length += len(words)

    def plain(self) -> str:
        return "".join(self.pieces)


def _fresh(marked: str, at: int) -> bool:
    return at == 0 or marked[at - 1] == "\n"


def _lines(out: _Built, marked: str, *, fresh: bool) -> None:
    """Read what stands between monospace blocks. `fresh`: it begins a line, so that a quote may start there."""
    quote: int | None = None
    for number, line in enumerate(marked.split("\n")):
        before = out.length
        if number:
            out.add("\n")
        sign = _QUOTE.match(line) if fresh or number else None
        if sign is None:
            _close(out, quote, before)
            quote = None
            _inline(out, line)
            continue
        if quote is None:
            quote = out.length
        _inline(out, line[sign.end() :])
    _close(out, quote, out.length)


def _close(out: _Built, quote: int | None, end: int) -> None:
    if quote is not None:
        out.spans.append(Span("quote", quote, end))


def _inline(out: _Built, line: str) -> None:
    _pairs(out, line, _literals(line), 0, len(line))


def _literals(line: str) -> list[tuple[int, int, str | None]]:
    """Runs that are taken as they are: code, and addresses (an underscore there is no mark)."""
    found: list[tuple[int, int, str | None]] = []
    for match in _LITERAL.finditer(line):
        if match[1] is None:
            found.append((match.start(), match.start() + len(match[0].rstrip("*_~")), None))
        elif match[1].strip():
            found.append((match.start(), match.end(), "code"))
    return found


def _pairs(
    out: _Built, line: str, literals: list[tuple[int, int, str | None]], start: int, end: int, outer: str = ""
) -> None:
    """Add line[start:end]. One kind never stands inside itself, so this goes three levels deep at most."""
    if not literals and not any(sign in line for sign in _MARKS):
        out.add(line[start:end])
        return
    closers = {sign: _closers(line, sign, literals, start, end) for sign in _MARKS if sign not in outer}
    starts = [literal[0] for literal in literals]
    at = done = start
    while at < end:
        index = bisect_left(starts, at)
        if index < len(literals) and starts[index] == at:
            _, stop, kind = literals[index]
            out.add(line[done:at])
            out.add(line[at + 1 : stop - 1] if kind else line[at:stop], kind)
            at = done = stop
            continue
        closer = _closer(line, at, start, end, closers)
        if closer is None:
            at += 1
            continue
        out.add(line[done:at])
        begin = out.length
        _pairs(out, line, literals, at + 1, closer, outer + line[at])
        out.spans.append(Span(_MARKS[line[at]], begin, out.length))
        at = done = closer + 1
    out.add(line[done:end])


def _closer(line: str, at: int, start: int, end: int, closers: dict[str, list[int]]) -> int | None:
    """Where the pair that opens at `at` ends; None: nothing opens there."""
    sign = line[at]
    if sign not in closers or (at > start and _touches(line[at - 1], sign)):
        return None
    if at + 1 >= end or line[at + 1].isspace() or line[at + 1] == sign:
        return None
    places = closers[sign]
    index = bisect_left(places, at + 2)
    return places[index] if index < len(places) else None


def _closers(line: str, sign: str, literals: list[tuple[int, int, str | None]], start: int, end: int) -> list[int]:
    inside = {place for begin, stop, _ in literals for place in range(begin, stop) if line[place] == sign}
    return [
        place
        for place in range(start + 1, end)
        if line[place] == sign
        and not line[place - 1].isspace()
        and (place + 1 == end or not _touches(line[place + 1], sign))
        and place not in inside
    ]


def _touches(neighbour: str, sign: str) -> bool:
    return neighbour.isalnum() or neighbour == sign


@dataclass(frozen=True, slots=True)
class _Run:
    """Signs around plain[start:end]."""

    start: int
    end: int
    before: str
    after: str


def _links(text: Text) -> list[_Run]:
    return [
        _Run(span.start, span.end, "", f" ({span.url})")
        for span in text.spans
        if span.kind == "link" and span.url and not span.url.startswith("tg:") and not _says(text.plain, span)
    ]


def _says(plain: str, span: Span) -> bool:
    """Whether the words are the address already."""
    return _bare(plain[span.start : span.end].strip()) == _bare(span.url or "")


def _bare(address: str) -> str:
    return re.sub(r"^(https?://|mailto:|tel:)", "", address, flags=re.IGNORECASE).rstrip("/").lower()


def _runs(text: Text) -> list[_Run]:
    spans = _nested(text)
    blocks = [span for span in spans if span.kind == "pre"]
    runs: list[_Run] = []
    for span in spans:
        sign = _SIGNS[span.kind]
        if span.kind in _VERBATIM:
            runs.extend(_verbatim(text.plain, span, sign))
            continue
        for begin, end in _by_line(text.plain, span):
            if any(block.start < end and begin < block.end for block in blocks):
                continue
            if span.kind == "quote":
                runs.extend(_quoted(text.plain, begin, end))
            elif _whole(text.plain, begin, end):
                runs.append(_Run(begin, end, sign, sign))
    return runs


def _nested(text: Text) -> list[Span]:
    """Spans that WhatsApp knows, each inside what it began in, none inside its own kind or inside code."""
    kept: list[Span] = []
    around: list[Span] = []
    known = [span for span in text.spans if span.kind in _SIGNS]
    for span in sorted(known, key=lambda s: (s.start, -s.end, s.kind != "quote", s.kind)):
        around = [other for other in around if other.end > span.start]
        end = min([span.end, len(text.plain), *(other.end for other in around)])
        if end <= span.start or any(other.kind == span.kind or other.kind in _VERBATIM for other in around):
            continue
        around.append(replace(span, end=end))
        kept.append(around[-1])
    return kept


def _verbatim(plain: str, span: Span, sign: str) -> Iterator[_Run]:
    words = plain[span.start : span.end]
    if "\n" in words:
        sign = _SIGNS["pre"]
    if words.strip() and "`" not in words:
        yield _Run(span.start, span.end, sign, sign)


def _by_line(plain: str, span: Span) -> Iterator[tuple[int, int]]:
    """The span line by line, without blanks at the edges: a mark must touch the words."""
    at = span.start
    for line in plain[span.start : span.end].split("\n"):
        words = line.strip()
        if words:
            begin = at + line.index(words)
            yield begin, begin + len(words)
        at += len(line) + 1


def _whole(plain: str, begin: int, end: int) -> bool:
    return not plain[max(begin - 1, 0) : begin].isalnum() and not plain[end : end + 1].isalnum()


def _quoted(plain: str, begin: int, end: int) -> Iterator[_Run]:
    line = plain.rfind("\n", 0, begin) + 1
    if not plain[line:begin].strip():
        yield _Run(line, end, _SIGNS["quote"], "")


def _render(plain: str, runs: list[_Run]) -> str:
    before: dict[int, list[str]] = {}
    after: dict[int, list[str]] = {}
    # Stable: of runs with the same edges the first in the list is the outermost. A quote's sign begins its line.
    for run in sorted(runs, key=lambda r: (r.start, r.before != _SIGNS["quote"], -r.end)):
        before.setdefault(run.start, []).append(run.before)
        after.setdefault(run.end, []).insert(0, run.after)
    out: list[str] = []
    at = 0
    for place in sorted(before.keys() | after.keys()):
        out += [plain[at:place], *after.get(place, ()), *before.get(place, ())]
        at = place
    out.append(plain[at:])
    return "".join(out)
