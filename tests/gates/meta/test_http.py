"""What a failed call means, over real sockets, and where media may come from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gates.http import ANSWER_LIMIT, Hosts, address, attempt, fetching, open_http
from inbox.errors import InboxError, Refused, Uncertain, Unreachable
from tests.gates.meta.serving import Handler, serving

TOKEN = "EAAsecret"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


async def free_port() -> int:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_http(timeout=aiohttp.ClientTimeout(total=0.5, connect=0.4)) as session:
        yield session


async def refused() -> str:
    return f"http://127.0.0.1:{await free_port()}/v25.0/1/messages?access_token={TOKEN}"


async def fails(http: aiohttp.ClientSession, url: str) -> InboxError:
    with pytest.raises(InboxError) as caught:
        await attempt(http, "POST", URL(url), headers=HEADERS, json={"a": 1})
    return caught.value


async def test_nobody_listening_is_unreachable(http: aiohttp.ClientSession) -> None:
    assert type(await fails(http, await refused())) is Unreachable


@pytest.mark.parametrize("url", ["http://nowhere.invalid/", "ftp://graph.example/", "http:///x"])
async def test_no_such_name_or_address_is_unreachable(http: aiohttp.ClientSession, url: str) -> None:
    assert type(await fails(http, url)) is Unreachable


async def test_a_failed_tls_greeting_is_unreachable(http: aiohttp.ClientSession) -> None:
    async def plain(request: web.Request) -> web.StreamResponse:
        return web.Response(text="no TLS here")

    async with serving(plain) as base:
        assert type(await fails(http, base.replace("http:", "https:"))) is Unreachable


async def test_a_full_pool_that_never_frees_is_unreachable() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        entered.set()
        await release.wait()
        return web.json_response({})

    timeout = aiohttp.ClientTimeout(total=5, connect=0.1)
    async with serving(slow) as base, open_http(timeout=timeout, connections=1) as http, asyncio.TaskGroup() as group:
        group.create_task(attempt(http, "POST", URL(base)))
        await entered.wait()
        assert type(await fails(http, base)) is Unreachable
        release.set()


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b" " * (ANSWER_LIMIT + 1))


async def junk(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"not gzip", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("handler", [silent, cut, half, endless, junk])
async def test_once_the_request_may_have_left_it_is_uncertain(http: aiohttp.ClientSession, handler: Handler) -> None:
    async with serving(handler) as base:
        assert type(await fails(http, base)) is Uncertain


async def test_any_status_is_an_answer_and_redirects_stay(http: aiohttp.ClientSession) -> None:
    async def moved(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"}, text="moved")

    async with serving(moved) as base:
        answer = await attempt(http, "POST", URL(base), json={})
    assert (answer.status, answer.body) == (307, b"moved")


async def test_a_closed_session_is_unreachable() -> None:
    async with open_http() as http:
        pass
    assert type(await fails(http, "http://127.0.0.1:1/")) is Unreachable


async def test_errors_tell_neither_address_nor_token(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    found = await fails(http, await refused())
    told = f"{found!r} {found} {found.detail} {found.__cause__!r} {found.__suppress_context__} {caplog.text}"
    assert TOKEN not in told
    assert "messages" not in told
    assert found.__suppress_context__


async def test_no_cookies_are_kept(http: aiohttp.ClientSession) -> None:
    seen: list[str | None] = []

    async def baker(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Cookie"))
        response = web.json_response({})
        response.set_cookie("a", "b")
        return response

    async with serving(baker) as base:
        await attempt(http, "GET", URL(base))
        await attempt(http, "GET", URL(base))
    assert seen == [None, None]


@pytest.mark.parametrize(
    "url",
    [
        "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&hash=a%2Fb",
        "https://scontent.xx.fbcdn.net/v/1.jpg",
        "https://mmg.WhatsApp.NET/f",
        "https://graph.facebook.com:443/x",
        "http://127.0.0.1:9000/file",
        "https://cdn.example/file",
    ],
)
def test_hosts_that_are_allowed(url: str) -> None:
    hosts = Hosts(("*.fbsbx.com", "*.fbcdn.net", "*.whatsapp.net", "*.facebook.com", "CDN.example"), BASES)
    hosts.check(address(url))


BASES = ("http://127.0.0.1:9000/base", "https://graph.facebook.com")


@pytest.mark.parametrize(
    "url",
    [
        "http://lookaside.fbsbx.com/file",
        "https://lookaside.fbsbx.com:8443/file",
        "https://fbsbx.com/file",
        "https://evilfbsbx.com/file",
        "https://lookaside.fbsbx.com.evil.example/file",
        "https://evil.example/lookaside.fbsbx.com",
        "https://lookaside.fbsbx.com@evil.example/file",
        "https://user:pass@lookaside.fbsbx.com/file",
        "https://lookaside.fbsbx.com./file",
        "http://127.0.0.1:9001/file",
        "https://127.0.0.1:9000/file",
        "http://localhost:9000/file",
        "http://user@127.0.0.1:9000/file",
        "https://169.254.169.254/latest",
        "https://[::1]/x",
        "ftp://lookaside.fbsbx.com/x",
        "file:///etc/passwd",
        "data:text/plain,x",
        "//lookaside.fbsbx.com/x",
        "https:///x",
        "https://lookaside.fbsbx.com:port/x",
        "",
        "x",
    ],
)
def test_hosts_that_are_not(url: str) -> None:
    with pytest.raises(Refused, match="not_allowed"):
        Hosts(bases=BASES).check(address(url))


@pytest.mark.parametrize("found", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fe80::1%eth0", "fd00::1"])
async def test_a_name_that_leads_home_is_refused(found: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("a.fbcdn.net", 443)
        return ["157.240.1.1", found]

    with pytest.raises(Refused, match="not_allowed"):
        await Hosts(resolve=resolve).admit(URL("https://a.fbcdn.net/x"))


async def test_a_public_name_is_admitted() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["157.240.1.1", "2a03:2880::1"]

    await Hosts(resolve=resolve).admit(URL("https://a.fbcdn.net/x"))


async def read(http: aiohttp.ClientSession, hosts: Hosts, url: str) -> bytes:
    async with fetching(http, hosts, url, HEADERS) as response:
        return await response.read()


async def test_redirects_are_followed_on_allowed_hosts_with_the_token(http: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, str | None]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.path_qs, request.headers.get("Authorization")))
        if request.path == "/a":
            return web.Response(status=302, headers={"Location": "/b?hash=x%2Fy"})
        return web.Response(body=b"bytes")

    async with serving(handler) as base:
        assert await read(http, Hosts(bases=(base,)), f"{base}/a") == b"bytes"
    assert seen == [("/a", f"Bearer {TOKEN}"), ("/b?hash=x%2Fy", f"Bearer {TOKEN}")]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_redirect_elsewhere_is_refused_and_never_called(http: aiohttp.ClientSession, scheme: str) -> None:
    called: list[str] = []

    async def other(request: web.Request) -> web.StreamResponse:
        called.append(request.path)
        return web.Response(body=b"secret of the house")

    async with serving(other) as inside:
        target = inside.replace("http:", f"{scheme}:")

        async def handler(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"{target}/private"})

        async with serving(handler) as base:
            with pytest.raises(Refused, match="not_allowed"):
                await read(http, Hosts(bases=(base,)), f"{base}/a")
    assert called == []


async def test_a_redirect_in_circles_ends(http: aiohttp.ClientSession) -> None:
    count: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        count.append(1)
        return web.Response(status=302, headers={"Location": "/again"})

    async with serving(handler) as base:
        with pytest.raises(Refused, match="not_allowed"):
            await read(http, Hosts(bases=(base,)), f"{base}/a")
    assert len(count) == 6


@pytest.mark.parametrize("handler", [cut, half])
async def test_a_broken_download_may_be_tried_again(http: aiohttp.ClientSession, handler: Handler) -> None:
    async with serving(handler) as base:
        with pytest.raises(Unreachable):
            await read(http, Hosts(bases=(base,)), f"{base}/a")
