"""Recorded webhook bodies, and what hostile or broken hands make of them. Everything follows from the seed."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gates

FOLDER = Path(gates.__file__).parent

Rng = random.Random
Twist = Callable[[Any, Rng], None]


def recorded(gate: str) -> list[bytes]:
    """What the network has sent, as it came: no answers of ours, no expectations."""
    paths = sorted((FOLDER / gate / "fixtures").glob("*.json"))
    ours = (".expected.json", ".outgoing.json")
    return [p.read_bytes() for p in paths if not p.name.endswith(ours) and not p.name.startswith(("out_", "err_"))]


class Huge:
    """Stands in a tree for what `json.dumps` cannot or would not write; the text goes into the body as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


def leaves(rng: Rng) -> Any:
    """One hostile value."""
    return rng.choice(_LEAVES)(rng)


_LEAVES: list[Callable[[Rng], Any]] = [
    lambda _: None,
    lambda rng: rng.choice([True, False]),
    lambda rng: rng.choice([0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40]),
    lambda _: Huge("9" * 5_000),
    lambda rng: Huge(rng.choice(["NaN", "Infinity", "-Infinity", "1e999", "-0.0", "1E-400"])),
    lambda rng: rng.choice([0.5, -1.5, 1e308]),
    lambda _: [],
    lambda _: {},
    lambda rng: [[]] * rng.randrange(1, 4),
    lambda _: {"": {"": ""}},
    lambda rng: rng.choice(["", " ", "0", "-1", "null", "{}", "18446744073709551616", "9" * 400]),
    lambda rng: rng.choice(["\ud800", "a\udc00b", "\0", "до\0после", "\u2028\u2029", "\u202eabc\u202c", "\ufeff"]),
    lambda rng: rng.choice(["<b>&amp;</b>", "*_~`*_~`", "[a](b)", "%s%n{0}", "'; drop table inbox; --", "../../x"]),
    lambda _: "д" * 100_000,
    lambda rng: rng.choice("*_~`>#\n ") * 5_000,
    lambda rng: Huge(nested(rng.choice([200, 2_000, 10_000]), rng.choice(["[]", "{}"]))),
    lambda rng: [rng.randrange(10) for _ in range(1_000)],
]


def nested(depth: int, pair: str) -> str:
    """JSON that is so many levels deep."""
    return "[" * depth + "]" * depth if pair == "[]" else '{"a":' * depth + "1" + "}" * depth


def written(tree: Any) -> bytes:
    """The bytes of a tree. Lone surrogates go out as escapes, as networks send them."""
    holes: list[str] = []

    def hole(value: Any) -> str:
        holes.append(value.text)
        return f"\x01{len(holes) - 1}\x01"

    text = json.dumps(tree, default=hole)
    for number, content in enumerate(holes):
        text = text.replace(f'"\\u0001{number}\\u0001"', content)
    return text.encode()


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    todo = [tree]
    while todo:
        holder = todo.pop()
        items = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
        for key, value in items:
            found.append((holder, key))
            if isinstance(value, dict | list):
                todo.append(value)
    return found


def _pick(tree: Any, rng: Rng) -> tuple[Any, Any] | None:
    found = places(tree) if isinstance(tree, dict | list) else []
    return rng.choice(found) if found else None


def _replace(tree: Any, rng: Rng) -> None:
    if (place := _pick(tree, rng)) is not None:
        place[0][place[1]] = leaves(rng)


def _drop(tree: Any, rng: Rng) -> None:
    if (place := _pick(tree, rng)) is not None:
        del place[0][place[1]]


def _rename(tree: Any, rng: Rng) -> None:
    if (place := _pick(tree, rng)) is not None and isinstance(place[0], dict):
        name = rng.choice([place[1].upper(), f"{place[1]}s", "type", "id", "\ud800", "", "x" * 1_000])
        place[0][name] = place[0].pop(place[1])


def _multiply(tree: Any, rng: Rng) -> None:
    if (place := _pick(tree, rng)) is None:
        return
    holder, key = place
    if isinstance(holder, list) and not isinstance(holder[key], Huge):
        copies = rng.choice([1, 2, 10])
        holder[key:key] = [copy.deepcopy(holder[key]) for _ in range(copies)]
    else:
        holder[key] = [holder[key], holder[key]]


def _wrap(tree: Any, rng: Rng) -> None:
    if (place := _pick(tree, rng)) is not None:
        holder, key = place
        holder[key] = rng.choice([[holder[key]], {"value": holder[key]}, json.dumps(str(holder[key])[:50])])


TWISTS: tuple[Twist, ...] = (_replace, _replace, _drop, _rename, _multiply, _wrap)


def _swap(tree: Any, other: Any, rng: Rng) -> None:
    """A part of another body in the place of a part of this one."""
    here, there = _pick(tree, rng), _pick(other, rng)
    if here is not None and there is not None:
        here[0][here[1]] = copy.deepcopy(there[0][there[1]])


def mutated(bodies: list[bytes], rng: Rng) -> bytes:
    """One to three twists of a recorded body; now and then it is broken below JSON as well."""
    tree = json.loads(rng.choice(bodies))
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.2:
            _swap(tree, json.loads(rng.choice(bodies)), rng)
        else:
            rng.choice(TWISTS)(tree, rng)
    body = written(tree)
    return rng.choice(_RUINS)(body, rng) if rng.random() < 0.15 else body


_RUINS: list[Callable[[bytes, Rng], bytes]] = [
    lambda body, rng: body[: rng.randrange(len(body))],
    lambda body, _: b"\xef\xbb\xbf" + body,
    lambda body, _: body.decode().encode("utf-16"),
    lambda body, _: gzip.compress(body, mtime=0),
    lambda body, rng: bytes(rng.randrange(256) if rng.random() < 0.02 else byte for byte in body[:20_000]),
    lambda body, _: body + body,
    lambda body, rng: body.replace(b":", b":\x00", rng.randrange(1, 3)),
    lambda body, rng: body.replace(b'"', b"'", rng.randrange(1, 5)),
]


def oddities() -> Iterator[bytes]:
    """What no mutation of a good body comes to."""
    yield from (b"", b" ", b"null", b"true", b"0", b'""', b"[]", b"{}", b"plain text", b"\xff\xfe\x00", b"\x00" * 64)
    yield from (gzip.compress(b"{}", mtime=0), b"\xef\xbb\xbf{}", b"{" * 50_000, b"[" * 200_000)
    yield from (nested(depth, pair).encode() for depth in (2_000, 10_000) for pair in ("[]", "{}"))
    yield from (b'{"update_id":' + b"9" * 5_000 + b"}", b'{"a":1,"a":2}', b'{"object":"\xff"}', b"NaN")
    yield from (b'{"entry":' + b"[" * 3_000 + b"]" * 3_000 + b"}", b'{"update_id":1.5,"message":{}}')
