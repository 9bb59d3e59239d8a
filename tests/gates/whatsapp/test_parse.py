"""Reading webhooks beyond the fixtures: odd shapes, foreign accounts, and bodies made to hurt."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gates.whatsapp.parse import Mine, parse
from inbox import codec
from inbox.errors import Unreadable
from inbox.gate import Came, Changed, Fact, Inbound, Progress, Reacted, Rekeyed
from inbox.model import Author, Card, Stub, Text
from tests.gates.whatsapp.cases import ANNA, ANNA_ID, FIXTURES, LENA_ID, MINE, PHONE, RECEIVED, WABA, WAMID, raw

Json = dict[str, Any]
CONTACT: Json = {"profile": {"name": "Анна"}, "wa_id": ANNA, "user_id": ANNA_ID}


def value(**parts: Any) -> Json:
    return {"messaging_product": "whatsapp", "metadata": {"phone_number_id": PHONE}, "contacts": [CONTACT], **parts}


def body(*values: Json, field: str = "messages", waba: str = WABA) -> bytes:
    changes = [{"field": field, "value": item} for item in values]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": changes}]}).encode()


def message(**parts: Any) -> Json:
    base = {"from": ANNA, "from_user_id": ANNA_ID, "id": WAMID, "timestamp": "1795305701", "type": "text"}
    return {key: item for key, item in {**base, "text": {"body": "Да"}, **parts}.items() if item is not None}


def read(*messages: Json, mine: Mine = MINE, **parts: Any) -> list[Inbound]:
    return parse(raw(body(value(messages=list(messages), **parts))), mine)


def came(**parts: Any) -> Came:
    (found,) = read(message(**parts))
    assert isinstance(found, Came)
    return found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_json"),
        (b"not json", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"[" * 200_000, "not_json"),
        (b'{"a":' * 200_000, "not_json"),
        (b"9" * 5000, "not_json"),
        (b"[]", "object"),
        (b"null", "object"),
        (b"{}", "object"),
        (b'{"object":"page","entry":[]}', "object"),
        (b'{"object":"whatsapp_business_account"}', "empty"),
        (b'{"object":"whatsapp_business_account","entry":[]}', "empty"),
        (b'{"object":"whatsapp_business_account","entry":[{"changes":[]}]}', "empty"),
        (b'{"object":"whatsapp_business_account","entry":[null,1,{"changes":{}}]}', "empty"),
        (b'{"object":"whatsapp_business_account","entry":[{"changes":[null]}]}', "change"),
        (body(value(metadata=None, messages=[message()])), "no_metadata"),
        (body(value(messages=[])), "empty_messages"),
        (body(value(messages=[message(id=None)])), "message_without_id"),
        (body(value(messages=[message(**{"from": None, "from_user_id": None})])), "message_of_nobody"),
        (body(value(messages=["text", None])), "message_of_nobody"),
        (body(value(statuses=[{"status": "read"}])), "status_without_id"),
        (body(value(metadata={"phone_number_id": "999"}, messages=[message()])), "other_account"),
        (body({"event": "APPROVED"}, field="message_template_status_update", waba="999"), "other_account"),
    ],
)
def test_unreadable_bodies(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(raw(data), MINE)
    assert caught.value.reason == reason


def test_without_an_account_id_any_account_is_ours() -> None:
    data = body({"event": "APPROVED"}, field="message_template_status_update", waba="999")
    (fact,) = parse(raw(data), Mine(PHONE))
    assert isinstance(fact, Fact)
    assert fact.type == "template.changed"


def test_a_bad_part_never_takes_the_good_ones_with_it() -> None:
    good, bad, foreign = message(), message(id=None), value(metadata={"phone_number_id": "999"}, messages=[message()])
    found = parse(raw(body(value(messages=[bad, good]), foreign, {"messages": 5})), MINE)
    assert [type(item) for item in found] == [Fact, Came, Fact, Fact]
    told = [item.data["event"] for item in found if isinstance(item, Fact)]
    assert told == ["unreadable_part", "other_account", "unreadable_part"]
    assert all(item.data["level"] == 1 for item in found if isinstance(item, Fact))


def test_a_thousand_entries_are_read() -> None:
    found = read(*[message(id=f"wamid.{number}") for number in range(1000)])
    assert len({item.external_id for item in found if isinstance(item, Came)}) == 1000


@pytest.mark.parametrize(
    ("parts", "stub"),
    [
        ({"type": "hologram", "hologram": {"x": 1}}, Stub("hologram")),
        ({"type": "image", "image": None}, Stub("image")),
        ({"type": "image", "image": {"id": ""}}, Stub("image")),
        ({"type": "video", "errors": [{"code": 131052}]}, Stub("video", "131052")),
        ({"type": "location", "location": {"latitude": "x", "longitude": 1}}, Stub("location")),
        ({"type": "contacts", "contacts": []}, Stub("contacts")),
        (
            {"type": "interactive", "interactive": {"type": "call_permission_reply"}},
            Stub("interactive", "call_permission_reply"),
        ),
        ({"type": "text", "text": {"body": 5}}, Stub("text")),
        ({"type": None}, Stub("unknown")),
        ({"type": "reaction", "reaction": {"emoji": "👍"}}, Stub("reaction")),
        ({"type": "edit", "edit": {"original_message_id": "wamid.1"}}, Stub("edit")),
        ({"type": "revoke", "revoke": {}}, Stub("revoke")),
        ({"type": "system", "system": {"type": "news", "body": "x"}}, Stub("system", "news")),
        ({"type": "unsupported", "unsupported": {"type": "gif"}}, Stub("gif")),
    ],
)
def test_what_cannot_be_shown_is_still_a_message(parts: Json, stub: Stub) -> None:
    found = came(**parts)
    assert found.extra == stub
    assert (found.external_id, found.person.route, found.text) == (WAMID, ANNA, Text())


def test_a_reaction_in_a_group_is_a_stub_too() -> None:
    assert came(type="reaction", reaction={"message_id": "wamid.1"}, group_id="g").extra == Stub("group", "g")


def test_the_first_greeting_opens_the_chat() -> None:
    assert came(type="request_welcome").opens


@pytest.mark.parametrize(
    ("system", "from_number", "old", "route"),
    [
        ({"type": "user_changed_number", "wa_id": "12025550188"}, ANNA, [f"number:{ANNA}"], "12025550188"),
        (
            {"type": "user_changed_number", "user_id": "US.9", "previous_user_id": "US.7"},
            None,
            ["bsuid:US.7"],
            "bsuid:US.9",
        ),
        (
            {"type": "customer_changed_number", "new_wa_id": "12025550188", "customer": ANNA},
            None,
            [f"number:{ANNA}"],
            "12025550188",
        ),
        (
            {"type": "user_changed_user_id", "user_id": "US.9", "previous_user_id": "US.7"},
            ANNA,
            ["bsuid:US.7", f"number:{ANNA}"],
            ANNA,
        ),
    ],
)
def test_changed_ids(system: Json, from_number: str | None, old: list[str], route: str) -> None:
    item = message(**{"type": "system", "system": system, "text": None, "from": from_number, "from_user_id": None})
    (found,) = read(item, contacts=[])
    assert isinstance(found, Rekeyed)
    assert list(found.old_keys) == [f"whatsapp:{PHONE}:{key}" for key in old]
    assert found.person.route == route


def test_several_cards_keep_the_others_as_lines() -> None:
    cards = [
        {"name": {"first_name": "Анна", "last_name": "Первая"}, "phones": [{"phone": "+1"}]},
        {"name": {"formatted_name": "Борис"}, "phones": [{"phone": "+2"}, {"phone": "+3"}]},
        {"emails": [{"email": "c@mail.example"}]},
        {"phones": [{"phone": "+4"}]},
    ]
    found = came(type="contacts", contacts=cards)
    assert found.extra == Card("Анна Первая", ("+1",))
    assert found.text.plain == "Борис: +2, +3\nc@mail.example\n+4: +4"


def test_marks_in_texts_and_captions_become_spans() -> None:
    assert came(text={"body": "*Да*"}).text.spans[0].kind == "bold"
    assert came(type="image", image={"id": "1", "caption": "_Да_"}).text.spans[0].kind == "italic"


@pytest.mark.parametrize("stamp", ["x", "", None, "-5", "9" * 14, "9" * 400, 1e300, True, {"a": 1}])
def test_a_time_that_cannot_be_is_the_time_of_receipt(stamp: object) -> None:
    assert came(timestamp=stamp).at == RECEIVED


def test_halves_of_an_emoji_and_nul_are_replaced() -> None:
    found = came(text={"body": "a\ud800b\0c"})
    assert found.text.plain == "a\ufffdbc"
    codec.dump(found).encode()


def test_people_are_matched_by_id_and_carry_every_key() -> None:
    contacts = [
        {"profile": {"name": "Другой"}, "wa_id": "12025550199", "user_id": "US.1"},
        {"profile": {"name": "Лена", "username": "lena"}, "user_id": LENA_ID, "parent_user_id": "GE.ENT.5"},
    ]
    (found,) = read(message(**{"from": None, "from_user_id": LENA_ID}), contacts=contacts)
    assert isinstance(found, Came)
    person = found.person
    assert (person.name, person.handle, person.address.user) == ("Лена", "lena", LENA_ID)
    assert person.keys == (f"whatsapp:{PHONE}:bsuid:{LENA_ID}", f"whatsapp:{PHONE}:bsuid:GE.ENT.5")


def test_a_stranger_without_a_contact_is_a_person_without_a_name() -> None:
    (found,) = read(message(**{"from_user_id": None}), contacts="junk")
    assert isinstance(found, Came)
    assert (found.person.address.user, found.person.name, found.person.route) == (ANNA, None, ANNA)


@pytest.mark.parametrize(
    ("errors", "stored"),
    [
        ([{"code": 131047}], "refused:window:131047"),
        ([{"title": "x"}, {"code": "131026"}], "refused:unreachable:131026"),
        ([{"code": "9" * 9000}], "refused:unknown:"),
        (None, "refused:unknown:"),
    ],
)
def test_failed_statuses(errors: object, stored: str) -> None:
    status = {"id": WAMID, "status": "failed", "timestamp": "1795306000", "recipient_id": LENA_ID, "errors": errors}
    (found,) = parse(raw(body(value(statuses=[status]))), MINE)
    assert isinstance(found, Progress)
    assert found.error == stored
    assert found.person is not None
    assert found.person.route == f"bsuid:{LENA_ID}"


def test_a_status_without_a_recipient_or_with_a_new_word() -> None:
    statuses = [{"id": WAMID, "status": "sent"}, {"id": WAMID, "status": "warmed"}]
    first, second = parse(raw(body(value(statuses=statuses))), MINE)
    assert isinstance(first, Progress)
    assert first.person is None
    assert isinstance(second, Fact)
    assert second.data["status"] == "warmed"


def test_an_echo_of_a_file_and_a_reaction() -> None:
    base = {"from": "12025550100", "to": ANNA, "id": WAMID, "timestamp": "1795306200"}
    echoes = [
        {**base, "type": "image", "image": {"id": "7", "mime_type": "image/jpeg"}},
        {**base, "type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}},
    ]
    data = body(value(message_echoes=echoes), field="smb_message_echoes")
    image, liked = parse(raw(data), MINE)
    assert isinstance(image, Came)
    assert isinstance(liked, Reacted)
    assert (image.author, liked.author) == (Author.OWNER_ELSEWHERE, Author.OWNER_ELSEWHERE)
    assert image.person.address.user == liked.person.address.user == ANNA_ID


def test_an_error_of_the_whole_value_is_told() -> None:
    (found,) = parse(raw(body(value(errors=[{"code": 131000}]))), MINE)
    assert isinstance(found, Fact)
    assert (found.data["event"], found.data["code"], found.data["level"]) == ("error", "131000", 1)


def test_a_field_that_nobody_knows_is_told_by_its_name_alone() -> None:
    (found,) = parse(raw(body(value(calls=[{"secret": 1}]), field="calls")), MINE)
    assert isinstance(found, Fact)
    assert found.data == {"account": PHONE, "field": "calls", "event": ""}


HOOKS = [
    json.loads(path.read_bytes())
    for path in sorted(FIXTURES.glob("*.json"))
    if len(path.suffixes) == 1 and path.name.startswith(("in_", "status_", "hook_", "coex_"))
]
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["\ud800", "a\0b", "9" * 5000, [], {}, [[]], {"": None}, [None, 1], 2**64]),
)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [(node, key) for key, _ in pairs] + [place for _, child in pairs for place in places(child)]


def drop(container: Any, key: Any, junk: Any) -> None:
    del container[key]


def put(container: Any, key: Any, junk: Any) -> None:
    container[key] = copy.deepcopy(junk)  # a later change must not reach what the strategy draws from


def twice(container: Any, key: Any, junk: Any) -> None:
    if isinstance(container, list):
        container.append(copy.deepcopy(container[key]))


ACTS: list[Callable[[Any, Any, Any], None]] = [drop, put, twice]


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_mutated_bodies_are_read_or_unreadable(data: st.DataObject) -> None:
    """Whatever changes in a known body, the only way to fail is Unreadable, and each fact can be stored."""
    changed = copy.deepcopy(data.draw(st.sampled_from(HOOKS)))
    for _ in range(data.draw(st.integers(1, 4))):
        found = places(changed)
        if not found:
            break
        container, key = data.draw(st.sampled_from(range(len(found))).map(found.__getitem__))
        data.draw(st.sampled_from(ACTS))(container, key, data.draw(JUNK))
    try:
        facts = parse(raw(json.dumps(changed).encode()), MINE)
    except Unreadable:
        return
    for fact in facts:
        assert isinstance(fact, Came | Changed | Reacted | Progress | Rekeyed | Fact)
        assert codec.build(Inbound, json.loads(codec.dump(fact).encode())) == fact


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(raw(data), MINE)


@pytest.mark.parametrize("hook", range(len(HOOKS)))
def test_cut_bodies_are_unreadable(hook: int) -> None:
    whole = json.dumps(HOOKS[hook]).encode()
    for end in range(0, len(whole), 97):
        with pytest.raises(Unreadable):
            parse(raw(whole[:end]), MINE)


def test_the_same_body_gives_the_same_facts() -> None:
    for hook in HOOKS:
        data = raw(json.dumps(hook).encode())
        assert parse(data, MINE) == parse(data, MINE)
