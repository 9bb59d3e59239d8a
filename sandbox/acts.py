"""What a person can do in the sandbox, by name: the page's buttons and the stories' steps are the same acts.

An act is {"action": NAME, ...}. A message is named by its id, or by words that it contains (the newest one is meant);
a topic by its id, by a part of its name, or None for General; a client by the key of `scene.PEOPLE`.
Mistakes raise Impossible with a sentence.
"""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.picture import picture
from sandbox.scene import CONNECTION, CONNECTION_RIGHTS, OWNER, PEOPLE, Person, Scene
from sandbox.stream import Causes
from sandbox.trouble import NAMES, Troubles
from sandbox.view import conversation, desk_messages

Act = Mapping[str, Any]
ALBUM = range(2, 11)
LATER = 25 * 60  # minutes
FILE_LIMIT = 5 * 1024 * 1024


class Impossible(Exception):
    """The act cannot be done; says why."""


class Acts:
    def __init__(self, scene: Scene, troubles: Troubles, causes: Causes) -> None:
        self._scene = scene
        self._troubles = troubles
        self._causes = causes
        self._pictures = 0
        self._table: dict[str, Callable[[Act], None]] = {
            "client_writes": self._client_writes,
            "client_edits": self._client_edits,
            "client_reacts": self._client_reacts,
            "client_deletes": self._client_deletes,
            "client_reads": self._client_reads,
            "owner_writes": self._owner_writes,
            "owner_edits": self._owner_edits,
            "owner_reacts": self._owner_reacts,
            "owner_elsewhere": self._owner_elsewhere,
            "owner_deletes_topic": self._owner_deletes_topic,
            "press": self._press,
            "trouble": self._trouble,
            "calm": lambda act: self._troubles.clear(),
            "later": self._later,
            "status": self._status,
            "statuses": self._statuses,
            "business": self._business,
        }

    def do(self, act: Act) -> None:
        """Raises Impossible."""
        name = act.get("action")
        perform = self._table.get(name) if isinstance(name, str) else None
        if perform is None:
            raise Impossible(f"unknown action {name!r}")
        try:
            perform(act)
        except (KeyError, LookupError, TypeError, ValueError) as error:
            raise Impossible(f"{name}: {error}") from error

    # -- clients --------------------------------------------------------------------------------------------------

    def _client_writes(self, act: Act) -> None:
        person = self._person(act)
        text = _text(act)
        reply_to = self._of_client(person, act["reply_to"]) if act.get("reply_to") is not None else None
        files = self._files(act)
        if not text and not files and not act.get("kind"):
            raise Impossible("client_writes: neither text nor file")
        if not files:
            self._client_sends(person, text, reply_to, act, {"kind": str(act["kind"])} if act.get("kind") else {})
        album = {"media_group_id": uuid.uuid4().hex} if len(files) > 1 and person.network != "whatsapp" else {}
        for number, file in enumerate(files):
            self._client_sends(person, text if number == 0 else "", reply_to, act, {"file": file, **album})

    def _client_sends(self, person: Person, text: str, reply_to: Any, act: Act, more: dict[str, Any]) -> None:
        graph, telegram, moment = self._scene.graph, self._scene.telegram, time.time()
        if person.network == "whatsapp":
            kind = more.pop("kind", "image" if "file" in more else "text")
            if "file" in more:
                more["mime"] = _mime(more["file"])
            wamid = graph.writes(person.user, text, kind=kind, reply_to=reply_to, **more)
            self._causes.add(wamid, moment)
            return
        if "file" in more:
            more["kind"] = "photo"
        more |= {"entities": act.get("entities", ()), "quote": act.get("quote"), "reply_to": reply_to}
        if person.network == "business":
            message_id = telegram.business_writes(CONNECTION, person.user_id, person.user_id, text, **more)
        else:
            message_id = telegram.writes(person.user_id, text, **more)
        self._causes.add(f"{person.user}:{message_id}", moment)

    def _client_edits(self, act: Act) -> None:
        person, message, text = self._person(act), act["message"], _text(act)
        target = self._of_client(person, message, who="client")
        telegram = self._scene.telegram
        if person.network == "whatsapp":
            self._scene.graph.writes(person.user, text, kind="edit", reply_to=target)
        elif person.network == "business":
            telegram.business_edits(CONNECTION, person.user_id, person.user_id, target, text)
        else:
            telegram.edits(person.user_id, target, text)

    def _client_reacts(self, act: Act) -> None:
        person = self._person(act)
        target, emoji = self._of_client(person, act["message"]), str(act.get("emoji") or "")
        if person.network == "whatsapp":
            self._scene.graph.writes(person.user, emoji, kind="reaction", reply_to=target)
        elif person.network == "business":
            raise Impossible("client_reacts: Telegram tells a business bot nothing of reactions")
        else:
            self._scene.telegram.reacts(person.user_id, person.user_id, target, emoji or None)

    def _client_deletes(self, act: Act) -> None:
        person = self._person(act)
        target = self._of_client(person, act["message"])
        if person.network == "whatsapp":
            self._scene.graph.writes(person.user, kind="revoke", reply_to=target)
        elif person.network == "business":
            self._scene.telegram.business_deletes(CONNECTION, person.user_id, [target])
        else:
            self._scene.telegram.deletes(person.user_id, target)

    def _client_reads(self, act: Act) -> None:
        person = self._person(act)
        if person.network != "whatsapp":
            raise Impossible("client_reads: Telegram tells a bot nothing of it")
        self._scene.graph.phone_reads(person.user)

    def _of_client(self, person: Person, named: Any, who: str | None = None) -> Any:
        """The id of a message on the client's phone."""
        shown = conversation(self._scene, person)
        return _find(shown, named, who, f"{person.name}'s phone")["id"]

    # -- the owner ------------------------------------------------------------------------------------------------

    def _owner_writes(self, act: Act) -> None:
        text, thread = _text(act), self._thread(act.get("topic"))
        files = self._files(act)
        more: dict[str, Any] = {"thread_id": thread, "quote": act.get("quote"), "entities": act.get("entities", ())}
        if act.get("reply_to") is not None:
            more["reply_to"] = self._on_desk(act["reply_to"], act)
        if not text and not files:
            raise Impossible("owner_writes: neither text nor file")
        if not files:
            self._scene.telegram.writes(OWNER, text, **more)
        if len(files) > 1:
            more["media_group_id"] = uuid.uuid4().hex
        for number, file in enumerate(files):
            self._scene.telegram.writes(OWNER, text if number == 0 else "", kind="photo", file=file, **more)

    def _owner_edits(self, act: Act) -> None:
        self._scene.telegram.edits(OWNER, self._on_desk(act["message"], act, who="owner"), _text(act))

    def _owner_reacts(self, act: Act) -> None:
        target = self._on_desk(act["message"], act)
        self._scene.telegram.reacts(OWNER, OWNER, target, act.get("emoji") or None)

    def _owner_elsewhere(self, act: Act) -> None:
        """She answers from the provider's own app."""
        person, text = self._person(act), _text(act)
        if person.network == "whatsapp":
            self._scene.graph.echo(person.user, text)
        elif person.network == "business":
            self._scene.telegram.business_writes(CONNECTION, OWNER, person.user_id, text)
        else:
            raise Impossible("owner_elsewhere: in the bot's own chat there is no other app")

    def _owner_deletes_topic(self, act: Act) -> None:
        thread = self._thread(act.get("topic"))
        if thread is None:
            raise Impossible("owner_deletes_topic: General stays")
        self._scene.telegram.deletes_topic(OWNER, thread)

    def _press(self, act: Act) -> None:
        """By id and callback data, or by the words on the button: the newest such button."""
        if "data" in act:
            self._scene.telegram.presses(OWNER, OWNER, int(act["message"]), str(act["data"]))
            return
        wanted, messages = str(act["button"]), self._messages(act)
        for message in reversed(messages):
            for button in (b for row in message["buttons"] for b in row):
                if button["text"] == wanted and button["data"]:
                    self._scene.telegram.presses(OWNER, OWNER, message["id"], button["data"])
                    return
        raise Impossible(f"press: there is no button {wanted!r}")

    def _on_desk(self, named: Any, act: Act, who: str | None = None) -> int:
        found: int = _find(self._messages(act), named, who, "the desk")["id"]
        return found

    def _messages(self, act: Act) -> list[dict[str, Any]]:
        messages = desk_messages(self._scene)
        if "topic" not in act:
            return messages
        thread = self._thread(act["topic"])
        return [m for m in messages if m["topic"] == thread]

    def _thread(self, topic: Any) -> int | None:
        if topic is None:
            return None
        alive = [t for t in self._scene.telegram.topics_of(OWNER) if not t["deleted"]]
        for found in reversed(alive):
            if topic == found["message_thread_id"] or (isinstance(topic, str) and topic in found["name"]):
                return int(found["message_thread_id"])
        raise Impossible(f"there is no topic {topic!r}")

    # -- troubles and time ----------------------------------------------------------------------------------------

    def _trouble(self, act: Act) -> None:
        if act.get("name") not in NAMES:
            raise Impossible(f"unknown trouble {act.get('name')!r}")
        self._troubles.set(act["name"], bool(act.get("on", True)))

    def _later(self, act: Act) -> None:
        """Time passes: `minutes`, 25 hours of them unless told."""
        minutes = act.get("minutes", LATER)
        if not isinstance(minutes, int) or not 0 < minutes <= 60 * 24 * 7:
            raise Impossible("later: 1 minute to a week")
        self._scene.shift(60.0 * minutes)

    def _status(self, act: Act) -> None:
        """A delivery report of WhatsApp's, for the owner's message with these words."""
        person = self._person(act)
        target = _find(conversation(self._scene, person), act["message"], "owner", f"{person.name}'s phone")
        self._scene.graph.status(target["id"], str(act["state"]))

    def _statuses(self, act: Act) -> None:
        """Whether WhatsApp reports by itself."""
        self._scene.graph.auto_statuses = bool(act["on"])

    def _business(self, act: Act) -> None:
        """She switches the bot on or off in her own account."""
        self._scene.telegram.connects_business(OWNER, CONNECTION, CONNECTION_RIGHTS, enabled=bool(act["on"]))

    # -- what acts name -------------------------------------------------------------------------------------------

    def _person(self, act: Act) -> Person:
        person = PEOPLE.get(str(act.get("person")))
        if person is None:
            raise Impossible(f"there is no client {act.get('person')!r}")
        return person

    def _files(self, act: Act) -> list[bytes]:
        """`photo`: true, or a file in base64; `album`: how many pictures."""
        if act.get("album"):
            if act["album"] not in ALBUM:
                raise Impossible("an album has 2 to 10 pictures")
            return [self._picture() for _ in range(act["album"])]
        photo = act.get("photo")
        if isinstance(photo, str):
            return [_decoded(photo)]
        return [self._picture()] if photo else []

    def _picture(self) -> bytes:
        self._pictures += 1
        return picture(self._pictures)


def _text(act: Act) -> str:
    text = act.get("text", "")
    if not isinstance(text, str):
        raise Impossible("text must be text")
    return text


def _find(messages: Sequence[dict[str, Any]], named: Any, who: str | None, where: str) -> dict[str, Any]:
    for message in reversed(messages):
        if who is not None and message["who"] != who:
            continue
        said: str = message["text"]
        if message["id"] == named or (isinstance(named, str) and named in said):
            return dict(message)
    raise Impossible(f"there is no message {named!r} on {where}")


def _decoded(photo: str) -> bytes:
    try:
        data = base64.b64decode(photo, validate=True)
    except binascii.Error:
        raise Impossible("the picture is not base64") from None
    if not data or len(data) > FILE_LIMIT:
        raise Impossible("a picture has 1 byte to 5 MB")
    return data


def _mime(data: bytes) -> str:
    return "image/png" if data[:8] == b"\x89PNG\r\n\x1a\n" else "image/jpeg"
