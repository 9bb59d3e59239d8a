"""The log: whatever is logged, by us or by a library, no secret and no words of a client come out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.log import HIDDEN, Redactor, configure

TOKEN = "123456789:AAExampleExampleExampleExampleExample0"
SECRET = 'pla"nted\\sécret'
FORMATS: tuple[Literal["text", "json"], ...] = ("text", "json")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("format", FORMATS)
def test_no_secret_and_no_words_come_out(capsys: pytest.CaptureFixture[str], format: Literal["text", "json"]) -> None:
    configure("DEBUG", format, [SECRET])
    ours = structlog.get_logger("ours")
    theirs = logging.getLogger("aiogram.somewhere")
    ours.info(f"said {SECRET}", detail={"deep": [SECRET, (TOKEN,)]}, gate="whatsapp")
    ours.warning("call %s", f"https://api.example.com/bot{TOKEN}/getMe")
    ours.info("sent", text="planted words", phone="+12025550123", nested={"body": "planted words"}, raw=b"planted")
    theirs.info("token is %s and %s", SECRET, TOKEN)
    theirs.info("with extra", extra={"caption": "planted words", "number": "+12025550123", "where": SECRET})
    theirs.debug("Authorization: Bearer %s", "planted-bearer")
    theirs.info("GET /me?access_token=planted1&x=1&client_secret=planted2")
    try:
        raise ValueError(SECRET, TOKEN)
    except ValueError:
        ours.exception("failed")
        theirs.exception("failed too")
    out, err = capsys.readouterr()
    assert out == ""
    for planted in (SECRET, "nted", "cret'", TOKEN, "AAExample", "planted", "2025550123"):
        assert planted not in err
    assert "Traceback" in err
    assert "whatsapp" in err
    assert "x=1" in err


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json", [])
    structlog.get_logger("ours").info("started", gate="telegram", client=17, ms=1.5, word="Привет")
    logging.getLogger("theirs").warning("careful %d", 5)
    logging.getLogger("theirs").debug("not shown")
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {key: first[key] for key in ("level", "msg", "logger", "gate", "client", "ms", "word")} == {
        "level": "info",
        "msg": "started",
        "logger": "ours",
        "gate": "telegram",
        "client": 17,
        "ms": 1.5,
        "word": "Привет",
    }
    assert first["ts"].endswith("Z")
    assert (second["level"], second["msg"], second["logger"]) == ("warning", "careful 5", "theirs")


def test_what_is_bound_comes_along(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json", [])
    with structlog.contextvars.bound_contextvars(gate="whatsapp"):
        structlog.get_logger("ours").info("one")
        logging.getLogger("theirs").info("two")
    assert [json.loads(line)["gate"] for line in capsys.readouterr().err.splitlines()] == ["whatsapp", "whatsapp"]


def test_configured_again_it_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "text", [])
    configure("WARNING", "text", [])
    logging.getLogger("theirs").warning("once")
    logging.getLogger("theirs").info("never")
    assert capsys.readouterr().err.count("once") == 1


def test_a_secret_that_came_later(capsys: pytest.CaptureFixture[str]) -> None:
    redactor = configure("INFO", "text", [])
    redactor.add("pasted on the desk")
    logging.getLogger("theirs").warning("it is pasted on the desk")
    assert "pasted" not in capsys.readouterr().err


@pytest.mark.parametrize("format", FORMATS)
def test_a_line_that_cannot_be_made_shows_nothing(
    capsys: pytest.CaptureFixture[str], format: Literal["text", "json"]
) -> None:
    configure("INFO", format, [])
    form = "planted %s %s"
    logging.getLogger("theirs").warning(form, "planted")
    logging.getLogger("theirs").warning("next")
    err = capsys.readouterr().err
    assert "planted" not in err
    assert "could not be written" in err
    assert "next" in err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://api.telegram.org/bot{TOKEN}/sendMessage", f"https://api.telegram.org/bot{HIDDEN}/sendMessage"),
        (f"https://api.telegram.org/file/bot{TOKEN}/a.jpg", f"https://api.telegram.org/file/bot{HIDDEN}/a.jpg"),
        ("http://127.0.0.1:9/bot1:short/getMe", f"http://127.0.0.1:9/bot{HIDDEN}/getMe"),
        (f"<{TOKEN}>", f"<{HIDDEN}>"),
        ("Bearer abc.def-ghi, next", f"Bearer {HIDDEN}, next"),
        ("?access_token=abc&limit=5", f"?access_token={HIDDEN}&limit=5"),
        ('{"access_token": "abc", "a": 1}', f'{{"access_token": "{HIDDEN}", "a": 1}}'),
        ("hub.verify_token=abc&hub.mode=subscribe", f"hub.verify_token={HIDDEN}&hub.mode=subscribe"),
        (f"access_token={SECRET}", f"access_token={HIDDEN}"),
        ("whsec_c2VjcmV0 here", f"{HIDDEN} here"),
        ("/media/AbCdEfGhIjKlMnOpQr", f"/media/{HIDDEN}"),
        ("wrote to +12025550123.", f"wrote to {HIDDEN}."),
        ("2026-11-25T12:00:00+00:00 took 12:30", "2026-11-25T12:00:00+00:00 took 12:30"),
        ("127.0.0.1:8080 id 12025550123", "127.0.0.1:8080 id 12025550123"),
    ],
)
def test_shapes(text: str, shown: str) -> None:
    assert Redactor([SECRET]).text(text) == shown


@given(st.text(min_size=1), st.text(), st.text())
def test_a_known_secret_never_stays(secret: str, before: str, after: str) -> None:
    between = Redactor([secret]).text(before + secret + after).split(HIDDEN)
    assert len(between) > 1
    assert not any(secret in piece for piece in between)


@given(
    st.integers(min_value=100_000, max_value=10**12),
    st.from_regex(r"[A-Za-z0-9_-]{30,50}", fullmatch=True),
    st.text(alphabet=st.characters(exclude_categories=["Nd"], exclude_characters="-_:")),
    st.text(),
)
def test_a_bot_token_never_stays(bot: int, rest: str, before: str, after: str) -> None:
    assert f"{bot}:{rest}" not in Redactor().text(f"{before}{bot}:{rest}{after}")


_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(f"x{SECRET}x") | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just(SECRET), inner) | st.tuples(inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _DATA, max_size=5))
def test_no_depth_hides_a_secret(event: dict[str, Any]) -> None:
    shown = json.dumps(Redactor([SECRET]).value(event), ensure_ascii=False)
    assert json.dumps(SECRET, ensure_ascii=False)[1:-1] not in shown


@pytest.mark.parametrize("size", [100_000])
@pytest.mark.parametrize("piece", ["a.", "1", "token", "/bot1", "+1", "Bearer ", "secret="])
def test_long_text_is_no_trap(piece: str, size: int) -> None:
    assert len(Redactor([SECRET]).text(piece * size)) >= 1
