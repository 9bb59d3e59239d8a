"""What a story expects, looked up in what people and receivers can see.

A condition is {KIND: {...}}. Kinds: "topic" (name, times), "desk" (topic, text, who, kind, reply_to, reaction, button,
times, pinned, order), "phone" (person, text, who, kind, reply_to, reaction, status, times, order), "marks" (text,
emojis: what the bot's reaction on her message was, in this order), "export" (type, provider, times, and keys of
`data`), "call" (provider, method, times), "quiet" (nothing is under way). Without `times` at least one is expected;
`order` is a list of texts that must be there in this order, each once. What was there before the story counts only
with `"ever": true`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.scene import OWNER, PEOPLE, Scene
from sandbox.stream import Stream
from sandbox.view import conversation, desk_messages

Json = Mapping[str, Any]


@dataclass
class Before:
    """What was there when the story began."""

    desk: int = 0
    phones: dict[str, frozenset[Any]] = field(default_factory=dict)
    lines: int = 0
    calls: int = 0

    @classmethod
    def of(cls, scene: Scene, stream: Stream) -> Before:
        desk = max((m["id"] for m in desk_messages(scene, deleted=True)), default=0)
        phones = {p.key: frozenset(m["id"] for m in conversation(scene, p)) for p in PEOPLE.values()}
        calls = scene.world.calls[-1].number if scene.world.calls else 0
        return cls(desk, phones, stream.count, calls)


class Witness:
    """Looks at the scene and the stream for one story."""

    def __init__(self, scene: Scene, stream: Stream, before: Before) -> None:
        self._scene = scene
        self._stream = stream
        self._before = before
        self._table = {
            "topic": self._topic,
            "desk": self._desk,
            "phone": self._phone,
            "marks": self._marks,
            "export": self._export,
            "call": self._call,
        }

    def holds(self, condition: Json) -> bool:
        """Whether all of it is so now. ValueError for an unknown kind."""
        return all(self._one(kind, wanted) for kind, wanted in condition.items())

    def seen(self, condition: Json) -> str:
        """What is there instead, for the report of a failed story."""
        lines = [f"topics: {[t['name'] for t in self._topics()]}"]
        lines += [f"desk {m['topic']}: {_line(m)}" for m in self._new_desk()]
        for person in PEOPLE.values():
            lines += [f"phone {person.key}: {_line(m)}" for m in self._new_phone(person.key)]
        if "export" in condition:
            lines += [f"export: {line.body}" for line in self._stream.lines if line.number > self._before.lines]
        if "call" in condition or "marks" in condition:
            lines += [f"call: {c.provider} {c.method} {c.status}" for c in self._calls()]
        return "\n".join(lines)

    def _one(self, kind: str, wanted: Any) -> bool:
        if kind == "quiet":
            return self._scene.quiet() is bool(wanted)
        look = self._table.get(kind)
        if look is None:
            raise ValueError(f"unknown condition {kind!r}")
        return look(wanted)

    def _topics(self) -> list[dict[str, Any]]:
        return [t for t in self._scene.telegram.topics_of(OWNER) if not t["deleted"]]

    def _topic(self, wanted: Json) -> bool:
        return _enough(sum(wanted["name"] in t["name"] for t in self._topics()), wanted)

    def _new_desk(self, *, ever: bool = False) -> list[dict[str, Any]]:
        return [m for m in desk_messages(self._scene) if ever or m["id"] > self._before.desk]

    def _new_phone(self, key: str, *, ever: bool = False) -> list[dict[str, Any]]:
        known = frozenset() if ever else self._before.phones.get(key, frozenset())
        return [m for m in conversation(self._scene, PEOPLE[key]) if m["id"] not in known]

    def _calls(self) -> list[Any]:
        return [c for c in self._scene.world.calls if c.number > self._before.calls]

    def _desk(self, wanted: Json) -> bool:
        everything = desk_messages(self._scene)
        messages = self._new_desk(ever=bool(wanted.get("ever")))
        if "topic" in wanted:
            threads = {
                t["message_thread_id"] for t in self._topics() if wanted["topic"] and wanted["topic"] in t["name"]
            }
            if wanted["topic"] is None:
                threads = {None}
            messages = [m for m in messages if m["topic"] in threads]
        if wanted.get("pinned"):
            pins = {m["pins"] for m in everything if m["pins"] is not None}
            messages = [m for m in messages if m["id"] in pins]
        return _messages(messages, wanted)

    def _phone(self, wanted: Json) -> bool:
        return _messages(self._new_phone(wanted["person"], ever=bool(wanted.get("ever"))), wanted)

    def _marks(self, wanted: Json) -> bool:
        """The marks that the bot set on her newest message with these words, repetitions left out."""
        own = [m for m in desk_messages(self._scene) if m["who"] == "owner" and wanted["text"] in m["text"]]
        if not own:
            return False
        drawn: list[str] = []
        for call in self._calls():
            if call.method != "setMessageReaction" or call.request.get("message_id") != own[-1]["id"]:
                continue
            emojis = [str(r["emoji"]) for r in call.request.get("reaction", [])]
            if call.status == 200 and emojis and emojis != drawn[-1:]:
                drawn += emojis
        return drawn == list(wanted["emojis"])

    def _export(self, wanted: Json) -> bool:
        new = [line.body for line in self._stream.lines if line.number > self._before.lines]
        return _enough(sum(_is(body, wanted) for body in new), wanted)

    def _call(self, wanted: Json) -> bool:
        calls = [c for c in self._calls() if (c.provider, c.method) == (wanted["provider"], wanted["method"])]
        status = wanted.get("status")
        return _enough(sum(status in (None, c.status) for c in calls), wanted)


def _enough(found: int, wanted: Json) -> bool:
    return found == wanted["times"] if "times" in wanted else found > 0


def _messages(messages: Sequence[dict[str, Any]], wanted: Json) -> bool:
    if "order" in wanted:
        return _in_order([m["text"] for m in messages], wanted["order"])
    fitting = [m for m in messages if _fits(m, wanted)]
    if "text" not in wanted:
        return _enough(len(fitting), wanted)
    return _enough(sum(m["text"].count(wanted["text"]) for m in fitting), wanted)


def _in_order(texts: Iterable[str], order: Sequence[str]) -> bool:
    whole = "\n".join(texts)
    places = [whole.find(text) for text in order]
    return places == sorted(places) and all(whole.count(text) == 1 for text in order)


def _fits(message: dict[str, Any], wanted: Json) -> bool:
    if "text" in wanted and wanted["text"] not in message["text"]:
        return False
    if any(key in wanted and message.get(key) != wanted[key] for key in ("who", "kind", "status")):
        return False
    if "reply_to" in wanted and wanted["reply_to"] not in (message["reply"] or {}).get("text", ""):
        return False
    if "reaction" in wanted and wanted["reaction"] not in [r["emoji"] for r in message["reactions"]]:
        return False
    if "marked" in wanted and wanted["marked"] not in _marked(message):
        return False
    if "button" in wanted:
        return wanted["button"] in [b["text"] for row in message.get("buttons", []) for b in row]
    return True


def _marked(message: dict[str, Any]) -> list[str]:
    """Its formatted words, as "bold:words"."""
    units = message["text"].encode("utf-16-le")
    found = []
    for entity in message.get("entities", ()):
        start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
        found.append(f"{entity['type']}:{units[start:end].decode('utf-16-le')}")
    return found


def _is(body: Json, wanted: Json) -> bool:
    data = body["data"]
    if "provider" in wanted and body["provider"] != wanted["provider"]:
        return False
    if "text" in wanted and wanted["text"] not in str(data.get("text", "")):
        return False
    rest = wanted.keys() - {"provider", "text", "times"}
    return all(data.get(key) == wanted[key] for key in rest)


def _line(message: dict[str, Any]) -> str:
    marks = "".join(r["emoji"] for r in message["reactions"])
    buttons = [b["text"] for row in message.get("buttons", []) for b in row]
    reply = f" (re: {message['reply']['text']})" if message.get("reply") else ""
    service = message.get("service") or ""
    return f"{message['who']} {message['kind']} {message['text']!r}{reply} {marks} {buttons or ''} {service}".rstrip()
