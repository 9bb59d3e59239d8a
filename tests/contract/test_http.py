"""Section 3 on one running program, and what may be done beside it. The tests share it, so each uses ids of its own."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.world import Call, Fault
from tests.contract.process import (
    ANNA,
    APP_SECRET,
    BORIS,
    HOOK_SECRET,
    METRICS,
    OWNER,
    STRANGER,
    VERIFY,
    Child,
    Place,
    private_message,
    signed,
    text_message,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Begun:
    """The first seconds: webhooks sent before the program was ready."""

    answered: tuple[int, int]
    stored: int
    ready_then: int
    ready_after: float  # seconds from the answers until ready


@dataclass(slots=True)
class Served:
    place: Place
    child: Child
    begun: Begun
    slow: asyncio.Task[tuple[bytes, float, float]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    verify_file = folder / "verify.txt"
    verify_file.write_text(f"{VERIFY}\n")
    async with Place(folder) as place:
        place.settings = {
            "META_VERIFY_TOKEN": "",
            "META_VERIFY_TOKEN_FILE": str(verify_file),
            "METRICS_TOKEN": METRICS,
            "LOG_LEVEL": "DEBUG",
            "PUBLIC_URL": "",
            "RENDER_EXTERNAL_URL": place.address,
            "FLY_APP_NAME": "later-in-the-order",
            "TELEGRAM_CHANNEL_ID": "",
        }
        async with place.running() as child:
            first = await place.whatsapp(text_message("До готовности", wamid="wamid.early"))
            second = await place.update(private_message(500_001, ANNA, "И это до готовности"))
            stored, ready = place.stored(), (await place.get("/readyz")).status
            since = time.monotonic()
            await place.ready()
            begun = Begun((first.status, second.status), stored, ready, time.monotonic() - since)
            await place.until(lambda: place.telegram.pending == 0, "what waited at Telegram is stored", 30.0)
            slow = asyncio.create_task(_slow_body(place.port))
            yield Served(place, child, begun, slow)
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
        assert place.leaks() == []
        assert child.out == ""


async def test_webhooks_are_committed_before_the_desk_is_there(served: Served) -> None:
    place, begun = served.place, served.begun
    assert begun.answered == (200, 200)
    assert begun.stored == 2
    assert begun.ready_then == 503
    assert begun.ready_after > 0.5
    await place.until(lambda: bool(place.said_to(OWNER, "До готовности")), "shown")
    await place.until(lambda: bool(place.said_to(OWNER, "И это до готовности")), "shown")
    asked = place.world.of("telegram", "setWebhook")
    assert [call.request["url"] for call in asked] == [f"{place.address}/webhooks/telegram"]
    assert asked[0].request["secret_token"] == HOOK_SECRET


async def test_every_part_is_in_the_report(served: Served) -> None:
    answer = await served.place.get("/readyz")
    report = answer.json()
    gates = {"telegram", "whatsapp", "messenger", "instagram", "email", "zoom", "calcom"}
    assert answer.status == 200 and report["ready"] is True
    assert {"storage", "desk", "workers", *gates} <= set(report["parts"])
    assert all(part.keys() == {"state", "detail"} for part in report["parts"].values())
    assert {part["state"] for part in report["parts"].values()} == {"ok"}
    assert (await served.place.get("/healthz")).status == 200


async def test_metas_handshake(served: Served) -> None:
    place = served.place
    right = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": VERIFY}
    answer = await place.get("/webhooks/whatsapp", params=right)
    assert (answer.status, answer.text) == (200, "1158201444")
    assert answer.headers["Content-Type"].startswith("text/plain")
    for changed in ({"hub.verify_token": "wrong"}, {"hub.verify_token": ""}, {"hub.mode": "unsubscribe"}):
        assert (await place.get("/webhooks/whatsapp", params={**right, **changed})).status == 403
    assert (await place.get("/webhooks/whatsapp")).status == 403


async def test_what_is_off_or_another_method(served: Served) -> None:
    place = served.place
    for name in ("messenger", "instagram", "zoom", "calcom", "nobody"):
        raw = json.dumps({"object": "page"}).encode()
        assert (await place.call("POST", f"/webhooks/{name}", data=raw, headers=signed(raw))).status == 404
        assert (await place.get(f"/webhooks/{name}")).status == 404
    for method, path in (
        ("GET", "/webhooks/telegram"),
        ("PUT", "/webhooks/telegram"),
        ("DELETE", "/webhooks/whatsapp"),
        ("POST", "/healthz"),
        ("POST", "/readyz"),
        ("POST", "/metrics"),
    ):
        answer = await place.call(method, path)
        assert answer.status == 405, (method, path)
        assert answer.headers["Allow"]
    assert (await place.get("/media/abcdefghijklmnopqrstuvwxyz")).status == 404
    assert (await place.get("/nowhere")).status == 404


async def test_forged_bodies_are_refused_and_leave_nothing(served: Served) -> None:
    place = served.place
    before = place.stored()
    raw = json.dumps(text_message("Поддельное", wamid="wamid.forged")).encode()
    good = signed(raw)["X-Hub-Signature-256"]
    wrong = (
        "",
        "sha256=",
        good.removeprefix("sha256="),
        good.replace("sha256=", "sha1="),
        good[:-1],
        good + "0",
        "sha256=" + "0" * 64,
        signed(raw, "another-secret")["X-Hub-Signature-256"],
        signed(raw + b" ")["X-Hub-Signature-256"],
    )
    for header in wrong:
        assert (await place.whatsapp(raw, **{"X-Hub-Signature-256": header})).status == 401, header
    for header in ("sha256=" + "é" * 64, "f" * 100_000):
        assert (await place.whatsapp(raw, **{"X-Hub-Signature-256": header})).status == 401
        assert (await place.update(private_message(500_100, STRANGER, "Поддельное"), header)).status == 401
    bare = await place.call("POST", "/webhooks/whatsapp", data=raw)
    assert bare.status == 401
    for secret in ("", "wrong", HOOK_SECRET[:-1], HOOK_SECRET + "x", APP_SECRET):
        assert (await place.update(private_message(500_100, STRANGER, "Поддельное"), secret)).status == 401
    assert place.stored() == before
    counted = (await place.get("/metrics")).text
    assert 'desk_webhooks_total{gate="whatsapp",outcome="unverified"}' in counted
    assert 'desk_webhooks_total{gate="telegram",outcome="unverified"}' in counted


async def test_what_is_no_http_is_refused_and_leaves_no_traceback(served: Served) -> None:
    """The fixture looks at stderr when the program has ended."""
    begun = len(served.child.err)
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.place.port)
        with closing(writer):
            writer.write(junk + b"\r\n\r\n")
            await writer.drain()
            assert (await reader.read()).split()[1] == b"400"
    assert (await served.place.get("/healthz")).status == 200
    assert "Traceback" not in served.child.err[begun:]


async def test_bodies_that_are_not_read(served: Served) -> None:
    place = served.place
    bodies = "select count(*) from inbox where provider = 'whatsapp'"  # Telegram's own come whenever they come
    before = place.rows(bodies)
    raw = json.dumps(text_message("x", wamid="wamid.big")).encode()
    large = raw + b" " * (4 * 1024 * 1024)
    packed = gzip.compress(raw)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    answers = [
        (413, await place.whatsapp(large)),
        (413, await place.call("POST", "/webhooks/whatsapp", data=chunks(), headers=signed(large))),
        (415, await place.whatsapp(packed, **{"Content-Encoding": "gzip"})),
        (415, await place.whatsapp(b"no gzip at all", **{"Content-Encoding": "gzip"})),
    ]
    for status, answer in answers:
        assert answer.status == status
        assert answer.headers.get("Connection", "").lower() == "close"
    assert place.rows(bodies) == before
    just = raw + b" " * (3 * 1024 * 1024)
    assert (await place.whatsapp(just)).status == 200


async def test_signed_but_not_understood_is_kept_and_told_once(served: Served) -> None:
    place = served.place
    strange = [b"no json", b"[]", b"", json.dumps({"object": "page", "entry": []}).encode(), b'{"a":' * 5000]
    for body in (*strange, *(json.dumps({"object": "moon", "n": n}).encode() for n in range(3))):
        assert (await place.whatsapp(body)).status == 200, body[:40]
    for update in ({"update_id": 500_201}, {"update_id": 500_202}, {"hello": "world"}):
        assert (await place.update(update)).status == 200
    for wamid in ("wamid.other1", "wamid.other2"):
        assert (await place.whatsapp(text_message("Не нам", wamid=wamid, phone_id="999"))).status == 200

    def aside() -> list[tuple[str, str, int]]:
        return place.rows("select provider, error, count(*) from inbox where state = 'quarantined' group by 1, 2")

    await place.until(lambda: sum(row[2] for row in aside()) == 13, "all of them put aside")

    def told() -> dict[str, list[str]]:
        """The lines on the desk by the shape that they name."""
        lines = [str(m["text"]) for m in place.said_to(OWNER, "непонятного вида")]
        return {shape: [line for line in lines if f"({shape})" in line] for _, shape, _ in aside()}

    await place.until(lambda: all(told().values()), "told")
    await place.until(
        lambda: all(f" {count} " in told()[shape][-1] for _, shape, count in aside()), f"the counts {told()} {aside()}"
    )
    assert {len(lines) for lines in told().values()} == {1}
    assert place.rows("select 1 from inbox where cast(body as text) like '%999%' and state = 'quarantined'")
    assert not place.said_to(OWNER, "Не нам")
    assert not [line for line in place.exported("message.in") if line["data"]["text"] == "Не нам"]


async def test_figures_are_for_this_machine_or_with_the_token(served: Served) -> None:
    place = served.place
    assert (await place.get("/metrics")).text.startswith("# HELP")
    for header in ("Forwarded", "X-Forwarded-For", "X-Real-IP"):
        assert (await place.get("/metrics", headers={header: "127.0.0.1"})).status == 401
        for given, status in ((METRICS, 200), ("wrong", 401), ("", 401)):
            headers = {header: "198.51.100.1", "Authorization": f"Bearer {given}"}
            assert (await place.get("/metrics", headers=headers)).status == status
    assert (await place.get("/metrics", headers={"X-Forwarded-For": "x", "Authorization": METRICS})).status == 401


async def test_strangers_change_nothing_on_the_desk(served: Served) -> None:
    """Whoever is not the owner cannot press, mark or change what is hers; groups are not answered."""
    place = served.place
    place.telegram.writes(BORIS, "Вопрос Бориса")
    await place.until(lambda: bool(place.said_to(OWNER, "Вопрос Бориса")), "shown")
    await place.until(lambda: place.telegram.pending == 0, "all updates taken")
    shown = place.said_to(OWNER, "Вопрос Бориса")[0]
    who = {"id": STRANGER, "is_bot": False, "first_name": "Чужой"}
    desk = {"id": OWNER, "type": "private", "first_name": "Ольга"}
    group = {"id": -100777, "type": "supergroup", "title": "Чужая группа"}
    thread = shown["message_thread_id"]
    in_topic = {"message_id": 7001, "date": 1_790_000_000, "from": who, "message_thread_id": thread}
    buttons = {"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]}
    reacted = {"old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👍"}], "date": 1_790_000_000}
    button = {**shown, "chat": desk, "reply_markup": buttons}
    forged = [
        {"message": {**in_topic, "chat": desk, "text": "Подделка в теме", "is_topic_message": True}},
        {"edited_message": {**in_topic, "chat": desk, "text": "Подделка правки", "edit_date": 1_790_000_001}},
        {"callback_query": {"id": "1", "from": who, "message": button, "chat_instance": "1", "data": "x"}},
        {"message_reaction": {"chat": desk, "message_id": shown["message_id"], "user": who, **reacted}},
        {"message": {**in_topic, "chat": group, "text": "Привет из группы"}},
        {"message": {**in_topic, "chat": group, "text": "/status", "message_id": 7002}},
        {"message": {**in_topic, "chat": group, "text": "/start", "from": {**who, "id": OWNER}, "message_id": 7003}},
    ]
    events, sent = len(place.lines()), len(_spoken(place))
    for number, update in enumerate(forged):
        assert (await place.update({"update_id": 500_300 + number, **update})).status == 200
    assert (await place.update(private_message(500_399, STRANGER, "/status"))).status == 200
    await place.until(lambda: bool(place.said_to(OWNER, "/status")), "a stranger's command is a message")
    await place.until(lambda: not place.rows("select 1 from inbox where state in ('new', 'desk')"), "all looked at")
    assert not place.said_to(OWNER, "Подделка") and not place.said_to(OWNER, "Привет из группы")
    chats = {call.request.get("chat_id") for call in _spoken(place)[sent:]}
    assert chats == {OWNER}
    new = [line["data"]["type"] for line in place.lines()[events:]]
    assert sorted(set(new)) == ["client.created", "message.in"]


def _spoken(place: Place) -> list[Call]:
    names = ("sendMessage", "answerCallbackQuery", "editMessageText")
    return [c for c in place.world.of("telegram") if c.method in names and c.status == 200]


async def test_a_second_one_is_refused_with_a_sentence(served: Served) -> None:
    place = served.place
    same_folder, same_port = await asyncio.gather(
        place.command(PORT="0", LOG_LEVEL="INFO"),
        place.command(DATA_DIR=str(place.folder / "other"), LOG_LEVEL="INFO"),
    )
    for ended, named in ((same_folder, str(place.data)), (same_port, str(place.port))):
        assert (ended.code, ended.out) == (1, "")
        assert len(ended.err.strip().splitlines()) == 1, ended.err
        assert named in ended.err


async def test_a_copy_beside_the_running_bot(served: Served) -> None:
    place = served.place
    usual, named, same = await asyncio.gather(
        place.command("backup"),
        place.command("backup", str(place.folder / "copies" / "mine.db")),
        place.command("backup", str(place.data / "inbox.db")),
    )
    assert (usual.code, usual.err, named.code, named.err) == (0, "", 0, "")
    path = Path(usual.out.removesuffix("\n"))
    assert path.parent == place.data / "backups"
    assert path.name.startswith("inbox-2") and path.name.endswith("Z.db")
    assert Path(named.out.removesuffix("\n")) == place.folder / "copies" / "mine.db"
    for copied in (path, Path(named.out.strip())):
        with closing(sqlite3.connect(copied)) as connection:
            assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
            assert connection.execute("select count(*) from inbox").fetchone()[0] > 0
    assert (same.code, same.out) == (2, "")


async def test_the_export_is_printed_from_there_on(served: Served) -> None:
    place = served.place
    lines = [line for path in sorted((place.data / "substance").glob("*")) for line in path.read_text().splitlines()]
    middle = json.loads(lines[len(lines) // 2])["data"]
    at = datetime.fromisoformat(middle["stored_at"])
    first = next(
        n for n, line in enumerate(lines) if datetime.fromisoformat(json.loads(line)["data"]["stored_at"]) >= at
    )
    by_id, by_time, later, moscow, after = await asyncio.gather(
        place.command("export", "--since", str(middle["id"])),
        place.command("export", "--since", middle["stored_at"]),
        place.command("export", "--since", (at + timedelta(microseconds=1)).isoformat()),
        place.command("export", "--since=" + (at + timedelta(hours=3)).isoformat().replace("+00:00", "+03:00")),
        place.command("export", "--since", "999999999"),
    )
    assert {e.code for e in (by_id, by_time, later, moscow, after)} == {0}
    assert {e.err for e in (by_id, by_time, later, moscow, after)} == {""}
    assert by_id.out.splitlines() == lines[len(lines) // 2 :]
    assert by_time.out.splitlines() == lines[first:]
    assert moscow.out == by_time.out
    assert str(middle["id"]) not in [str(json.loads(line)["data"]["id"]) for line in later.out.splitlines()]
    assert after.out == ""


async def test_outages_degrade_and_are_over(served: Served) -> None:
    """Dead tokens, then no Telegram at all: 200 throughout, named within 15 s, and ok again."""
    place = served.place

    async def details(state: str) -> set[str]:
        """What the three parts say, where all are in this state."""
        answer = await place.get("/readyz")
        assert answer.status == 200
        parts = [answer.json()["parts"][name] for name in ("desk", "telegram", "whatsapp")]
        return {part["detail"] for part in parts} if {part["state"] for part in parts} == {state} else set()

    place.graph.token_valid = place.telegram.token_valid = False
    await place.until_async(lambda: details("degraded"), "dead tokens", 15.0)
    dead = await details("degraded")
    gone = place.world.plan(Fault("refuse", "telegram", times=None))
    place.telegram.token_valid = True

    async def unreachable() -> bool:
        return bool(await details("degraded") - dead)

    await place.until_async(unreachable, "no Telegram", 15.0)
    assert await _export_while_down(place) < 1.0
    place.world.lift(gone)
    place.graph.token_valid = True
    await place.until_async(lambda: details("ok"), "ok again", 30.0)
    await place.until(lambda: bool(place.said_to(OWNER, "Пока Telegram лежит")), "shown after all", 30.0)


async def _export_while_down(place: Place) -> float:
    """Seconds from the webhook to the event at the receiver."""
    begun = time.monotonic()
    assert (await place.whatsapp(text_message("Пока Telegram лежит", wamid="wamid.down"))).status == 200

    def posted() -> bool:
        texts = [post.event["data"].get("text") for post in place.receiver.posts]
        return "Пока Telegram лежит" in texts

    await place.until(posted, "exported")
    return next(p.at for p in place.receiver.posts if p.event["data"].get("text") == "Пока Telegram лежит") - begun


async def test_a_disk_that_refuses_gives_503_and_nothing_is_lost(served: Served) -> None:
    """Another process holds the database's lock for longer than it is waited for."""
    place = served.place
    with closing(sqlite3.connect(place.data / "inbox.db", isolation_level=None, timeout=5)) as other:
        other.execute("begin immediate")
        answers = await asyncio.gather(
            place.whatsapp(text_message("Отказано", wamid="wamid.refused")),
            place.update(private_message(500_400, BORIS, "Отказано и тут")),
        )
        await place.until_async(lambda: _is_down(place), "storage is down", 20.0)
        other.execute("rollback")
    for answer in answers:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert served.child.running
    assert not place.rows("select 1 from inbox where key = '500400'")
    await place.ready(30.0)
    assert (await place.update(private_message(500_400, BORIS, "Отказано и тут"))).status == 200
    await place.until(lambda: bool(place.said_to(OWNER, "Отказано и тут")), "shown", 30.0)
    assert not place.said_to(OWNER, "Отказано и тут")[1:]


async def _is_down(place: Place) -> bool:
    answer = await place.get("/readyz")
    return answer.status == 503 and answer.json()["parts"]["storage"]["state"] == "down"


async def test_a_slow_body_is_given_up_and_the_connection_closed(served: Served) -> None:
    """Begun when the program was ready, so that nobody waits for it here."""
    head, answered, closed = await served.slow
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert 9.0 < answered < 13.0
    assert closed - answered < 10.0


async def _slow_body(port: int) -> tuple[bytes, float, float]:
    """The head of the answer, and the seconds until it and until the connection's end."""
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(b"POST /webhooks/telegram HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        answered = time.monotonic() - begun
        await reader.read()
    return head, answered, time.monotonic() - begun
