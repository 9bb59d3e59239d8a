"""Every word that a person sees: Fluent resources in Russian and English, and the loader that gives them formatting.

The light markup of a resource: `**bold**`, `_italic_`, `` `code` ``, `[words](url)`; `~` is a no-break space. Values
are put in literally, whatever characters they contain; a value of type Text keeps its own formatting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
from fluent.runtime import FluentBundle, FluentResource
from fluent.syntax import ast
from fluent.syntax.visitor import Visitor

from inbox.model import Span, Text

LANGUAGES = ("ru", "en")
_FALLBACK = "en"
_LOCALES = {"ru": "ru", "en": "en-GB"}
_UNKNOWN = "…"  # stands where a text or a value is missing: never a raw key on the desk

_ESCAPE = "\U0010fff0"  # private use: marks what came from a value while the markup is read
_TO_ATOM = {char: _ESCAPE + chr(ord("a") + n) for n, char in enumerate("*_`[]()" + _ESCAPE)}
_FROM_ATOM = {atom: char for char, atom in _TO_ATOM.items()}
_RICH = _ESCAPE + "T"  # followed by one character: the number of a Text value
_TOKEN = re.compile(
    rf"(?P<rich>{_RICH}.)|(?P<atom>{_ESCAPE}[a-h])|(?P<bold>\*\*)|(?P<code>`)"
    r"|(?P<italic>(?<!\w)_(?=\S)|(?<=\S)_(?!\w))|(?P<open>\[)|\]\((?P<url>[^)]*)\)",
    re.DOTALL,
)

log = structlog.get_logger(__name__)


class MissingText(LookupError):
    """A key, or a value that its text names, is missing. Only raised when strict."""


class FluentTexts:
    """Implements inbox.texts.Texts. Any language but ru is answered in en. `strict` (tests): raise, do not mend."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._sources = {language: _Language(language) for language in LANGUAGES}

    def keys(self, language: str) -> Mapping[str, frozenset[str]]:
        """Every key with the names of the values that it takes."""
        return self._sources[language].variables

    def text(self, key: str, language: str, **values: object) -> Text:
        source = self._source(key, language)
        if source is None:
            return Text(_UNKNOWN)
        missing = source.variables[key] - values.keys()
        if missing:
            self._complain(key, language, f"no value for {', '.join(sorted(missing))}")
        rich: list[Text] = []
        args: dict[str, Any] = dict.fromkeys(missing, _UNKNOWN)
        args |= {name: _argument(value, rich) for name, value in values.items()}
        return _read_markup(source.format(key, args), rich)

    def plain(self, key: str, language: str, **values: object) -> str:
        return self.text(key, language, **values).plain

    def _source(self, key: str, language: str) -> _Language | None:
        for name in dict.fromkeys((base_language(language), _FALLBACK)):
            if key in self._sources[name].variables:
                return self._sources[name]
            self._complain(key, name, "no such text")
        return None

    def _complain(self, key: str, language: str, problem: str) -> None:
        if self._strict:
            raise MissingText(f"{key} ({language}): {problem}")
        log.error("text.missing", key=key, language=language, problem=problem)


def base_language(language: str) -> str:
    """The language of ours that serves a tag such as "ru-RU" or "de"."""
    base = language.replace("_", "-").partition("-")[0].lower()
    return base if base in LANGUAGES else _FALLBACK


class _Language:
    def __init__(self, name: str) -> None:
        source = Path(__file__).with_name(f"{name}.ftl").read_text("utf-8")
        resource = FluentResource(source.replace("~", "\N{NO-BREAK SPACE}"))
        junk = [entry.content for entry in resource.body if isinstance(entry, ast.Junk)]
        if junk:
            raise ValueError(f"{name}.ftl: {(junk[0] or '')[:80]}")
        self._bundle = FluentBundle([_LOCALES[name]], use_isolating=False)
        self._bundle.add_resource(resource)
        self.variables = {
            entry.id.name: frozenset(_variables(entry)) for entry in resource.body if isinstance(entry, ast.Message)
        }

    def format(self, key: str, args: dict[str, Any]) -> str:
        pattern = self._bundle.get_message(key).value
        assert pattern is not None
        formatted, errors = self._bundle.format_pattern(pattern, args)
        if errors:
            raise ValueError(f"{key}: {errors[0]}")
        return str(formatted)


class _Variables(Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:  # noqa: N802
        self.names.add(node.id.name)


def _variables(entry: ast.Message) -> set[str]:
    visitor = _Variables()
    visitor.visit(entry)
    return visitor.names


_LONGEST_ARGUMENT = 500
"""Fluent refuses long arguments; longer ones are put in after it, as formatted ones are."""


def _argument(value: object, rich: list[Text]) -> object:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and len(value) > _LONGEST_ARGUMENT:
        value = Text(value)
    if isinstance(value, Text):
        rich.append(value)
        return _RICH + chr(ord("A") + len(rich) - 1)
    return "".join(_TO_ATOM.get(char, char) for char in str(value))


def _read_markup(source: str, rich: list[Text]) -> Text:
    """Turn the markup of a formatted resource into spans and put the values back."""
    out = _Output()
    for kind, token in _tokens(source):
        if kind == "rich":
            out.add_text(rich[ord(token[-1]) - ord("A")])
        elif kind == "atom":
            out.add(_FROM_ATOM[token])
        elif kind == "plain":
            out.add(token)
        elif kind == "open":
            out.open_link()
        elif kind == "url":
            out.close_link(re.sub(rf"{_ESCAPE}[a-h]", lambda m: _FROM_ATOM[m[0]], token))
        else:
            out.toggle(kind)
    return Text(out.plain, tuple(sorted(out.spans, key=lambda s: (s.start, -s.end))))


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    at = 0
    for match in _TOKEN.finditer(source):
        if match.start() > at:
            yield "plain", source[at : match.start()]
        kind = match.lastgroup
        assert kind is not None
        yield kind, match[kind]
        at = match.end()
    if at < len(source):
        yield "plain", source[at:]


class _Output:
    def __init__(self) -> None:
        self.plain = ""
        self.spans: list[Span] = []
        self._open: dict[str, int] = {}

    def add(self, text: str) -> None:
        self.plain += text

    def add_text(self, text: Text) -> None:
        shift = len(self.plain)
        self.plain += text.plain
        self.spans += [Span(s.kind, s.start + shift, s.end + shift, s.url) for s in text.spans]

    def toggle(self, kind: str) -> None:
        start = self._open.pop(kind, None)
        if start is None:
            self._open[kind] = len(self.plain)
        elif start < len(self.plain):
            self.spans.append(Span(kind, start, len(self.plain)))

    def open_link(self) -> None:
        self._open["link"] = len(self.plain)

    def close_link(self, url: str) -> None:
        start = self._open.pop("link", None)
        if start is not None and start < len(self.plain):
            self.spans.append(Span("link", start, len(self.plain), url))
