"""The desk against the fake Bot API over real HTTP: what stands in the chat afterwards, and what the outbox learns."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from bot.desk import TelegramDesk
from gates.telegram.api import make_bot
from gates.telegram.settings import TelegramSettings
from inbox.blobs import Blob
from inbox.desk import Desk, How, Item, Sight
from inbox.errors import Refused, TopicGone, Unreachable
from inbox.model import (
    Act,
    Address,
    Attachment,
    Author,
    Button,
    Contact,
    ContactId,
    Identity,
    IdentityId,
    MediaKind,
    Message,
    MessageId,
    Notice,
    Place,
    Provider,
    Span,
    Text,
    Topic,
)
from sandbox.telegram import FakeTelegram
from sandbox.world import Call, Fault, World
from tests.bot.drawing import NOW, TEXTS, ZONE, StoppedClock

TOKEN, BOT_ID, OWNER, FORUM = "4242:sandbox-token", 4242, 501, -1001000000001
TELEGRAM, WHATSAPP = Provider("telegram"), Provider("whatsapp")
ANNA = Contact(ContactId(17), "Анна Петрова")


class Folder:
    """Blobs of one test."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.path(sha256).write_bytes(data)
        return sha256

    def path(self, sha256: str) -> Path:
        return self._path / sha256

    async def put(self, chunks: AsyncIterable[bytes], limit: int) -> Blob:
        data = b"".join([chunk async for chunk in chunks])
        return Blob(self.add(data), len(data))

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        yield self.path(sha256).read_bytes()


@dataclass
class Scene:
    desk: TelegramDesk
    telegram: FakeTelegram
    world: World
    blobs: Folder

    def calls(self, method: str | None = None) -> list[Call]:
        return [c for c in self.world.of("telegram", method) if c.status == 200]

    def request(self, method: str) -> dict[str, Any]:
        return dict(self.calls(method)[-1].request)

    def body(self, desk_message_id: int, chat: int = OWNER) -> dict[str, Any]:
        return self.telegram.chats.chats[chat].messages[desk_message_id].body

    def texts(self, thread_id: int | None) -> list[str]:
        chat = self.telegram.chats.chats[OWNER]
        said = [k.body for k in chat.messages.values() if k.thread_id == thread_id and k.by_bot and "text" in k.body]
        return [body["text"] for body in said]

    def fault(self, method: str, error: str, times: int = 1) -> None:
        self.world.plan(Fault("error", "telegram", method, times=times, error=error))

    async def topic(self) -> Topic:
        """A topic in which one message stands."""
        thread = await self.desk.open_topic(sight())
        topic = Topic(1, ANNA.id, "private", OWNER, thread)
        sent = await self.desk.tell(topic, Notice("card:17", Text("Анна")), None)
        return replace(topic, anchor=sent.shown[0][0])

    def upload(self, kind: MediaKind, **fields: Any) -> Attachment:
        sha256 = self.blobs.add(f"bytes of {kind}".encode())
        return replace(Attachment(kind, WHATSAPP, "media-1", size=14, sha256=sha256), **fields)

    def known(self, kind: str) -> Attachment:
        """A file that Telegram has already."""
        stored = self.telegram.files.put(kind, b"12345")
        return Attachment(MediaKind(kind), TELEGRAM, stored.file_id, size=5)


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    world = World()
    telegram = FakeTelegram(world, TOKEN, BOT_ID)
    telegram.add_user(OWNER, "Owner")
    telegram.chats.private(OWNER).started = True
    telegram.add_forum(FORUM, "Desk", [OWNER])
    base = await telegram.start()
    bot = make_bot(TelegramSettings(token=SecretStr(TOKEN), api_base=base, webhook_secret=SecretStr("s")))
    blobs = Folder(tmp_path)
    desk = TelegramDesk(bot, TEXTS, blobs, StoppedClock(), language="ru", zone=ZONE)
    desk.set_place(OWNER, "private")
    yield Scene(desk, telegram, world, blobs)
    await bot.session.close()
    await telegram.stop()


def identity(provider: Provider = WHATSAPP) -> Identity:
    return Identity(IdentityId(3), ANNA.id, Address(provider, "acc", "u"), "Анна")


def sight(*providers: Provider) -> Sight:
    identities = tuple(identity(p) for p in providers or (WHATSAPP,))
    return Sight(ANNA, identities, "owner", NOW + timedelta(hours=24))


def message(text: str | Text = "", **fields: Any) -> Message:
    body = Text(text) if isinstance(text, str) else text
    return replace(Message(MessageId(5), IdentityId(3), Author.CLIENT, body, (), NOW, NOW), **fields)


def item(said: Message, act: Act = Act.SEND, provider: Provider = WHATSAPP, **fields: Any) -> Item:
    return Item(act, said, identity(provider), **fields)


def test_it_is_the_desk_that_the_inbox_asks_for(scene: Scene) -> None:
    desk: Desk = scene.desk
    assert (desk.backend, desk.chat_id) == ("private", OWNER)


async def test_a_topic_has_the_client_s_name_and_the_colour_of_the_network(scene: Scene) -> None:
    thread = await scene.desk.open_topic(sight())
    asked = scene.request("createForumTopic")
    assert asked["name"] == "🟣WA · Анна Петрова" == scene.desk.topic_name(sight())
    assert int(asked["icon_color"]) == 9367192
    assert thread in scene.telegram.chats.chats[OWNER].topics


async def test_a_topic_is_renamed_and_the_same_name_again_is_fine(scene: Scene) -> None:
    topic = await scene.topic()
    await scene.desk.rename_topic(topic, "🟡WA · Анна")
    assert scene.telegram.chats.chats[OWNER].topics[topic.thread_id or 0].name == "🟡WA · Анна"
    scene.fault("editForumTopic", "Bad Request: TOPIC_NOT_MODIFIED")
    await scene.desk.rename_topic(topic, "🟡WA · Анна")
    scene.fault("editForumTopic", "Bad Request: message thread not found")
    with pytest.raises(TopicGone):
        await scene.desk.rename_topic(topic, "🟡WA · Анна")


async def test_a_text_keeps_its_formatting_and_stands_in_the_topic(scene: Scene) -> None:
    topic = await scene.topic()
    text = Text("😀 жирный <b>", (Span("bold", 2, 8),))
    sent = await scene.desk.show(topic, sight(), [item(message(text))])
    assert not sent.stray and [number for _, number in sent.shown] == [0]
    body = scene.body(sent.shown[0][0])
    assert body["text"] == "😀 жирный <b>" and body["message_thread_id"] == topic.thread_id
    assert body["entities"] == [{"type": "bold", "offset": 3, "length": 6}]
    assert "parse_mode" not in scene.request("sendMessage")


async def test_joined_texts_share_a_message_and_a_long_one_has_several(scene: Scene) -> None:
    topic = await scene.topic()
    joined = await scene.desk.show(topic, sight(), [item(message("один")), item(message("два"))])
    assert [number for _, number in joined.shown] == [0, 1]
    assert len({desk_id for desk_id, _ in joined.shown}) == 1
    items = [item(message("слово " * 1500))]
    long = await scene.desk.show(topic, sight(), items)
    assert len(long.shown) == len(set(long.shown)) == 3 == scene.desk.cost(items)
    assert {number for _, number in long.shown} == {0}


async def test_a_reply_stands_at_what_it_answers_and_a_lost_target_is_no_hindrance(scene: Scene) -> None:
    topic = await scene.topic()
    first = await scene.desk.show(topic, sight(), [item(message("Вопрос"))])
    edit = await scene.desk.show(topic, sight(), [item(message("Новый"), Act.EDIT, reply_to=first.shown[0][0])])
    body = scene.body(edit.shown[0][0])
    assert body["text"] == "Изменено: Новый" and body["reply_to_message"]["message_id"] == first.shown[0][0]
    lost = await scene.desk.show(topic, sight(), [item(message("Да"), reply_to=999_999)])
    assert scene.body(lost.shown[0][0])["text"] == "Да"


@pytest.mark.parametrize("kind", list(MediaKind))
async def test_every_kind_of_file_goes_as_that_kind(scene: Scene, kind: MediaKind) -> None:
    topic = await scene.topic()
    for attachment in (scene.upload(kind), scene.known(kind.value)):
        sent = await scene.desk.show(topic, sight(), [item(message(attachments=(attachment,)))])
        assert kind.value in scene.body(sent.shown[-1][0])


async def test_a_file_s_words_are_its_caption_and_its_name_stays(scene: Scene) -> None:
    topic = await scene.topic()
    plan = scene.upload(MediaKind.DOCUMENT, name="план.pdf")
    sent = await scene.desk.show(topic, sight(), [item(message("Вот план", attachments=(plan,)))])
    body = scene.body(sent.shown[0][0])
    assert (body["caption"], body["document"]["file_name"]) == ("Вот план", "план.pdf")


async def test_an_album_is_one_call_with_one_id_for_each_item(scene: Scene) -> None:
    topic = await scene.topic()
    files = [scene.upload(MediaKind.PHOTO), scene.known("photo"), scene.known("video")]
    items = [item(message(str(n), attachments=(f,), album="a")) for n, f in enumerate(files)]
    assert scene.desk.cost(items) == 3
    sent = await scene.desk.show(topic, sight(), items)
    assert [number for _, number in sent.shown] == [0, 1, 2] and len(scene.calls("sendMediaGroup")) == 1
    bodies = [scene.body(desk_id) for desk_id, _ in sent.shown]
    assert [body["caption"] for body in bodies] == ["0", "1", "2"]
    assert len({body["media_group_id"] for body in bodies}) == 1


async def test_an_album_that_telegram_refuses_goes_one_by_one(scene: Scene) -> None:
    topic = await scene.topic()
    scene.fault("sendMediaGroup", "Bad Request: MEDIA_INVALID")
    items = [item(message(attachments=(scene.known("photo"),), album="a")) for _ in range(2)]
    sent = await scene.desk.show(topic, sight(), items)
    assert [number for _, number in sent.shown] == [0, 1] and len(scene.calls("sendPhoto")) == 2


@pytest.mark.parametrize("error", ["Bad Request: VOICE_MESSAGES_FORBIDDEN", "Bad Request: wrong type of file"])
async def test_a_voice_that_telegram_refuses_goes_as_a_document_once(scene: Scene, error: str) -> None:
    topic = await scene.topic()
    voice = scene.upload(MediaKind.VOICE, mime="audio/ogg")
    scene.fault("sendVoice", error)
    sent = await scene.desk.show(topic, sight(), [item(message(attachments=(voice,)))])
    assert scene.body(sent.shown[0][0])["document"]["file_name"] == "voice.ogg"
    scene.fault("sendVoice", error)
    scene.fault("sendDocument", error)
    with pytest.raises(Refused):
        await scene.desk.show(topic, sight(), [item(message(attachments=(voice,)))])


async def test_a_photo_too_big_for_a_photo_goes_as_a_document(scene: Scene) -> None:
    topic = await scene.topic()
    photo = scene.upload(MediaKind.PHOTO, size=11 * 1024 * 1024)
    sent = await scene.desk.show(topic, sight(), [item(message(attachments=(photo,)))])
    assert "document" in scene.body(sent.shown[0][0])


async def test_bytes_that_are_gone_are_refused(scene: Scene) -> None:
    topic = await scene.topic()
    photo = replace(scene.upload(MediaKind.PHOTO), sha256="f" * 64)
    with pytest.raises(Refused, match="bad_media"):
        await scene.desk.show(topic, sight(), [item(message(attachments=(photo,)))])


async def test_places_are_places(scene: Scene) -> None:
    topic = await scene.topic()
    plain = await scene.desk.show(topic, sight(), [item(message(extra=Place(59.9, 30.3)))])
    named = await scene.desk.show(topic, sight(), [item(message(extra=Place(59.9, 30.3, "Студия")))])
    assert "location" in scene.body(plain.shown[0][0])
    assert scene.body(named.shown[0][0])["venue"]["title"] == "Студия"


async def test_the_network_is_named_only_where_it_changes(scene: Scene) -> None:
    topic = await scene.topic()
    both = sight(WHATSAPP, TELEGRAM)
    for provider in (WHATSAPP, WHATSAPP, TELEGRAM):
        await scene.desk.show(topic, both, [item(message("Да"), provider=provider)])
    await scene.desk.show(topic, sight(TELEGRAM), [item(message("Да"), provider=TELEGRAM)])
    assert scene.texts(topic.thread_id)[1:] == ["WhatsApp, 14:00\nДа", "Да", "Telegram, 14:00\nДа", "Да"]


async def test_a_topic_that_is_gone_says_so(scene: Scene) -> None:
    topic = replace(await scene.topic(), thread_id=77)
    with pytest.raises(TopicGone):
        await scene.desk.show(topic, sight(), [item(message("Да"))])
    with pytest.raises(TopicGone):
        await scene.desk.show(replace(topic, anchor=None), sight(), [item(message("Да"))], How.ANCHOR)


async def test_a_message_that_lands_elsewhere_is_a_stray(scene: Scene) -> None:
    topic = await scene.topic()
    scene.telegram.wrong_thread = True
    assert (await scene.desk.show(topic, sight(), [item(message("Да"))])).stray
    assert (await scene.desk.tell(topic, Notice("k", Text("Да")), None)).stray


async def test_an_anchor_is_a_reply_without_a_thread(scene: Scene) -> None:
    topic = await scene.topic()
    await scene.desk.show(topic, sight(), [item(message("Да"))], How.ANCHOR)
    asked = scene.request("sendMessage")
    assert "message_thread_id" not in asked and str(topic.anchor) in str(asked["reply_parameters"])
    assert asked["text"] == "Да" and "reply_markup" not in asked


async def test_outside_topics_a_message_says_whose_it_is_and_has_a_button(scene: Scene) -> None:
    topic = await scene.topic()
    sent = await scene.desk.show(topic, sight(), [item(message("Да"))], How.PLAIN)
    body = scene.body(sent.shown[0][0])
    assert body["text"] == "👤 Анна Петрова · WhatsApp\nДа"
    assert "message_thread_id" not in scene.request("sendMessage")
    assert body["reply_markup"]["inline_keyboard"] == [[{"text": "Ответить", "callback_data": "d:re:17"}]]
    assert not sent.stray
    threadless = Topic(2, ANNA.id, "reply", OWNER)
    sent = await scene.desk.show(threadless, sight(), [item(message("Нет"))])
    assert scene.body(sent.shown[0][0])["text"] == "👤 Анна Петрова · WhatsApp\nНет"


async def test_outside_topics_an_album_is_headed_by_a_message_of_its_own(scene: Scene) -> None:
    items = [item(message("Кухня", attachments=(scene.known("photo"),), album="a")) for _ in range(2)]
    sent = await scene.desk.show(None, sight(), items, How.PLAIN)
    assert [number for _, number in sent.shown] == [0, 0, 1]
    assert scene.body(sent.shown[0][0])["text"] == "👤 Анна Петрова · WhatsApp"
    assert "reply_markup" in scene.body(sent.shown[0][0])


async def test_a_notice_stands_edits_itself_and_comes_anew_when_it_was_deleted(scene: Scene) -> None:
    rows = ((Button("Отправить ещё раз", "d:again:1", style="primary"), Button("Дошло", "d:ok:1")),)
    topic = await scene.topic()
    first = (await scene.desk.tell(topic, Notice("k", Text("Раз"), rows), None)).shown[0][0]
    again = await scene.desk.tell(topic, Notice("k", Text("Два")), first)
    same = await scene.desk.tell(topic, Notice("k", Text("Два")), first)
    assert again.shown == same.shown == ((first, 0),) and not again.stray
    assert scene.body(first)["text"] == "Два" and "reply_markup" not in scene.body(first)
    scene.telegram.chats.chats[OWNER].messages[first].deleted = True
    anew = await scene.desk.tell(topic, Notice("k", Text("Три")), first)
    assert anew.shown[0][0] != first and scene.body(anew.shown[0][0])["message_thread_id"] == topic.thread_id


async def test_a_notice_in_general_has_no_thread_and_says_what_is_silent(scene: Scene) -> None:
    sent = await scene.desk.tell(None, Notice("k", Text("Привет"), silent=False), None)
    assert not sent.stray and "message_thread_id" not in scene.body(sent.shown[0][0])
    assert scene.request("sendMessage")["disable_notification"] in ("false", False)


async def test_buttons_of_every_sort(scene: Scene) -> None:
    row = (
        Button("Открыть", url="https://example.com/a"),
        Button("Скопировать", copy="+12025550143"),
        Button("Публикую…", disabled=True),
        Button("Удалить", "d:drop:1", style="danger"),
    )
    sent = await scene.desk.tell(None, Notice("k", Text("Кнопки"), (row,)), None)
    assert scene.body(sent.shown[0][0])["reply_markup"]["inline_keyboard"] == [
        [
            {"text": "Открыть", "url": "https://example.com/a"},
            {"text": "Скопировать", "copy_text": {"text": "+12025550143"}},
            {"text": "Публикую…", "disabled": {}},
            {"text": "Удалить", "style": "danger", "callback_data": "d:drop:1"},
        ]
    ]


async def test_a_notice_longer_than_a_message_loses_nothing(scene: Scene) -> None:
    button = ((Button("Дальше", "d:x:1"),),)
    sent = await scene.desk.tell(None, Notice("k", Text("слово " * 1000), button), None)
    bodies = [scene.body(desk_id) for desk_id, _ in sent.shown]
    assert ["reply_markup" in body for body in bodies] == [False, True]
    assert sum(body["text"].count("слово") for body in bodies) == 1000


async def test_marks_and_pins(scene: Scene) -> None:
    topic = await scene.topic()
    assert topic.anchor is not None
    kept = scene.telegram.chats.chats[OWNER].messages[topic.anchor]
    await scene.desk.mark(OWNER, topic.anchor, "✍️")
    assert list(kept.reactions.values()) == ["✍"]
    await scene.desk.mark(OWNER, topic.anchor, "")
    assert kept.reactions == {}
    await scene.desk.pin(topic.anchor)
    assert scene.request("pinChatMessage")["message_id"] in (topic.anchor, str(topic.anchor))


async def test_an_unclaimed_desk_reaches_nobody(scene: Scene) -> None:
    scene.desk.set_place(None, "private")
    with pytest.raises(Unreachable):
        await scene.desk.tell(None, Notice("k", Text("Да")), None)


async def test_the_probe_prefers_the_forum_then_private_topics_then_replies(scene: Scene) -> None:
    forum = await scene.desk.probe(OWNER, FORUM)
    assert (forum.backend, forum.chat_id, forum.findings) == ("forum", FORUM, ())
    private = await scene.desk.probe(OWNER, None)
    assert (private.backend, private.chat_id, private.findings) == ("private", OWNER, ())
    scene.telegram.user_topics = True
    assert [f.plain[:15] for f in (await scene.desk.probe(OWNER, None)).findings] == ["Создание тем по"]
    scene.telegram.topics = False
    reply = await scene.desk.probe(OWNER, None)
    assert (reply.backend, reply.chat_id) == ("reply", OWNER)
    assert [f.plain[:22] for f in reply.findings] == ["Темы в чате: выключены", "BotFather → Open App →"]


async def test_the_probe_says_what_is_wrong_with_the_forum_and_goes_on(scene: Scene) -> None:
    scene.telegram.add_forum(FORUM - 1, "No rights", [OWNER], rights={"can_manage_topics": False})
    scene.telegram.add_forum(FORUM - 2, "No topics", [OWNER], forum=False)
    for chat, words in ((FORUM - 1, "права"), (FORUM - 2, "не группа с темами"), (FORUM - 3, "не найден")):
        found = await scene.desk.probe(OWNER, chat)
        assert found.backend == "private" and words in found.findings[0].plain and str(chat) in found.findings[0].plain
