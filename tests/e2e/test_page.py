"""The page in a real browser plays one conversation; and who else asks it for something is refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from yarl import URL

from sandbox.stage import Stage

# Written only where SANDBOX_SCREENSHOT is set in the environment.
SCREENSHOT = Path(__file__).parents[2] / "docs" / "sandbox.png"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
).split()
PATIENCE = 15.0
QUESTION, ANSWER = "Здравствуйте! Сколько стоит консультация?", "Добрый день! 40 минут — 12 500 ₽."


class Browser:
    """A page in Chromium. Every method blocks: run it in a thread, the stage lives in this loop."""

    def __init__(self, profile: Path, width: int, height: int, *, phone: bool = False) -> None:
        chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
        if chromium is None or chromedriver is None:
            pytest.fail("Chromium is missing: install the packages chromium and chromium-driver")
        options = Options()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        if phone:
            metrics = {"width": width, "height": height, "pixelRatio": 2, "touch": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(chromedriver))

    def open(self, address: str) -> None:
        self.driver.get(address)

    def find(self, selector: str, text: str = "") -> WebElement:
        """The last element of this kind with this text, waited for."""

        def look(driver: webdriver.Chrome) -> WebElement | bool:
            try:
                fitting = [e for e in driver.find_elements(By.CSS_SELECTOR, selector) if text in e.text]
                shown = [e for e in fitting if e.is_displayed()]
            except StaleElementReferenceException:
                return False
            return shown[-1] if shown else False

        found = WebDriverWait(self.driver, PATIENCE, 0.1).until(look, f"{selector} with {text!r}")
        assert isinstance(found, WebElement)
        return found

    def click(self, selector: str, text: str = "") -> None:
        def press(_: webdriver.Chrome) -> bool:
            try:
                self.find(selector, text).click()
            except (StaleElementReferenceException, WebDriverException):
                return False
            return True

        WebDriverWait(self.driver, PATIENCE, 0.1).until(press, f"click {selector} with {text!r}")

    def write(self, form: str, text: str) -> None:
        field = self.find(f"{form} textarea")
        field.send_keys(text)
        field.send_keys(Keys.ENTER)

    def complaints(self) -> list[dict[str, Any]]:
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def overflow(self) -> int:
        """Pixels that the page is wider than the window."""
        return int(self.driver.execute_script("return document.documentElement.scrollWidth - innerWidth"))

    def picture(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))

    def close(self) -> None:
        self.driver.quit()


Opened = Callable[..., Any]


@pytest_asyncio.fixture
async def browser(tmp_path: Path, stage: Stage) -> AsyncIterator[Opened]:
    """Opens the stage's page in a window of a size; the browser goes before the stage does."""
    opened: list[Browser] = []

    async def open_page(width: int, height: int, *, phone: bool = False, query: str = "") -> Browser:
        made = await asyncio.to_thread(Browser, tmp_path / f"profile-{len(opened)}", width, height, phone=phone)
        opened.append(made)
        await asyncio.to_thread(made.open, f"{stage.address}/{query}")
        return made

    yield open_page
    for one in opened:
        await asyncio.to_thread(one.close)


def _converse(page: Browser) -> None:
    """Maria writes, Olga answers, Maria reads: all by hand."""
    page.write("#phone-form", QUESTION)
    page.find("#desk-log .message.theirs", QUESTION)
    page.write("#desk-form", ANSWER)
    page.find("#phone-log .message.theirs", ANSWER)
    page.find("#desk-log .message.mine .reaction", "👌")
    page.click("#phone-head .icon")
    page.click("#menu button", "Прочитать всё")
    page.find("#desk-log .message.mine .reaction", "👀")
    page.find("#lines .fact", "message.out")


async def test_a_conversation_by_hand(browser: Opened, stage: Stage, tmp_path: Path) -> None:
    page: Browser = await browser(1440, 1000)
    await asyncio.to_thread(_converse, page)
    for act in (
        {"action": "client_writes", "person": "anna", "text": "Вот мой текст, посмотрите?", "photo": True},
        {"action": "client_writes", "person": "igor", "text": "Ольга, привет! Созвонимся?"},
        {"action": "client_writes", "person": "pavel", "text": "Можно записаться на *четверг*?"},
    ):
        stage.acts.do(act)
    await asyncio.to_thread(page.find, "#topics .topic", "Павел")
    await asyncio.to_thread(page.click, "#topics .topic", "Мария")
    await asyncio.to_thread(page.find, "#chat-head strong", "Мария")
    picture = SCREENSHOT if os.environ.get("SANDBOX_SCREENSHOT") else tmp_path / "sandbox.png"
    await asyncio.to_thread(page.picture, picture)
    assert picture.stat().st_size > 20_000
    assert await asyncio.to_thread(page.complaints) == []
    assert await asyncio.to_thread(page.overflow) <= 0


def _troubles(page: Browser) -> None:
    """An outage by the button: the message waits, the stream does not, and it heals."""
    page.click(".chip", "Telegram лежит")
    page.find('.chip[aria-pressed="true"]', "Telegram лежит")
    page.write("#phone-form", "Я уже в пути")
    page.find("#lines .fact", "Я уже в пути")
    assert not page.driver.find_elements(By.CSS_SELECTOR, "#topics .topic.whatsapp")
    page.click(".chip", "Telegram лежит")
    page.find("#desk-log .message.theirs", "Я уже в пути")


async def test_an_outage_by_the_button(browser: Opened) -> None:
    page: Browser = await browser(1440, 1000)
    await asyncio.to_thread(_troubles, page)


def _on_a_phone(page: Browser) -> None:
    page.write("#phone-form", QUESTION)
    page.click("#tabs button", "Стол")
    page.click("#topics .topic", "Мария")
    page.find("#desk-log .message.theirs", QUESTION)
    page.write("#desk-form", ANSWER)
    page.find("#desk-log .message.mine .reaction")
    assert page.overflow() <= 0
    page.click("#tabs button", "Поток")
    page.find("#lines .fact", "message.out")
    page.click("#tabs button", "Беды")
    page.find(".chip", "Telegram: 429")
    page.click("#tabs button", "Клиенты")
    page.find("#phone-log .message.theirs", ANSWER)
    assert page.overflow() <= 0


async def test_the_same_on_a_phone(browser: Opened, tmp_path: Path) -> None:
    page: Browser = await browser(400, 820, phone=True)
    await asyncio.to_thread(_on_a_phone, page)
    await asyncio.to_thread(page.picture, tmp_path / "phone.png")
    assert await asyncio.to_thread(page.complaints) == []


async def test_a_story_is_played_and_the_page_speaks_english(browser: Opened) -> None:
    page: Browser = await browser(1280, 900, query="?lang=en")
    await asyncio.to_thread(page.click, "#stories-button")
    await asyncio.to_thread(page.click, '#stories [data-story="internal_note"]')
    await asyncio.to_thread(page.find, "#story", "A note to self")
    await asyncio.to_thread(page.find, "#phone-log .message.theirs", "Да, в пятницу")
    await asyncio.to_thread(page.find, "#story.done", "all came true")


ACT = {"action": "client_writes", "person": "maria", "text": "Hello"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 200),
        ("GET", "/", {"Host": "localhost:1"}, 200),
        ("GET", "/", {"Host": "evil.example"}, 403),
        ("GET", "/sandbox/state", {"Host": "127.0.0.1.evil.example"}, 403),
        ("GET", "/sandbox/app.js", {}, 200),
        ("GET", "/sandbox/%2e%2e%2fstage.py", {}, 404),
        ("GET", "/sandbox/stage.py", {}, 404),
        ("GET", "/sandbox/media/telegram/nothing", {}, 404),
        ("POST", "/sandbox/do", {}, 200),
        ("POST", "/sandbox/do", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("POST", "/sandbox/do", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", "/sandbox/do", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", "/sandbox/do", {"Origin": "http://evil.example"}, 403),
        ("POST", "/sandbox/do", {"Origin": "null"}, 403),
        ("POST", "/sandbox/do", {"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ("POST", "/sandbox/do", {"Content-Type": "text/plain"}, 403),
    ],
)
async def test_only_its_own_page_is_answered(
    stage: Stage, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    body = json.dumps(ACT).encode() if method == "POST" else None
    sent = {"Content-Type": "application/json", **headers} if body else headers
    target = URL(f"{stage.address}{path}", encoded=True)
    async with aiohttp.ClientSession() as session:
        async with session.request(method, target, data=body, headers=sent) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    "act",
    [
        {},
        {"action": "unknown"},
        {"action": "client_writes", "person": "nobody", "text": "Hello"},
        {"action": "client_writes", "person": "maria"},
        {"action": "client_writes", "person": "maria", "photo": "not base64"},
        {"action": "client_writes", "person": "maria", "text": 5},
        {"action": "client_edits", "person": "maria", "message": "not there", "text": "x"},
        {"action": "owner_writes", "topic": "not there", "text": "x"},
        {"action": "owner_deletes_topic", "topic": None},
        {"action": "press", "button": "not there"},
        {"action": "press", "message": 1, "data": "not:there"},
        {"action": "trouble", "name": "not there", "on": True},
        {"action": "later", "minutes": -1},
        {"action": "play", "name": "../stage"},
        ["not an object"],
    ],
)
async def test_what_cannot_be_done_is_said(stage: Stage, act: Any) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{stage.address}/sandbox/do", json=act) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]
