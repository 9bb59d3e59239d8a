"""What GraphClient puts on the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDictProxy

from gates.http import open_http
from gates.meta.graph import GraphClient
from inbox.errors import Uncertain
from tests.gates.meta.serving import serving


class Journal:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.headers: list[CIMultiDictProxy[str]] = []
        self.bodies: list[Any] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.lines.append((request.method, request.raw_path))
        self.headers.append(request.headers)
        if request.content_type == "application/json":
            self.bodies.append(await request.json())
        elif request.content_type.startswith("multipart/"):
            form = await request.post()
            self.bodies.append({name: await read_part(part) for name, part in form.items()})
        return web.json_response({"success": True})


async def read_part(part: Any) -> Any:
    if isinstance(part, web.FileField):
        return part.filename, part.content_type, part.file.read()
    return part


@pytest.mark.parametrize("slash", ["", "/"])
async def test_calls(slash: str) -> None:
    journal = Journal()
    async with serving(journal.take) as base, open_http() as http:
        graph = GraphClient(http, base + slash, "v25.0", "EAAsecret")
        assert await graph.post("1", "messages", body={"a": "ж"}) == {"success": True}
        await graph.get("../2?x", params={"fields": "url"})
        await graph.delete("3")
    assert journal.lines == [
        ("POST", "/v25.0/1/messages"),
        ("GET", "/v25.0/..%2F2%3Fx?fields=url"),
        ("DELETE", "/v25.0/3"),
    ]
    assert journal.bodies == [{"a": "ж"}]
    assert {headers["Authorization"] for headers in journal.headers} == {"Bearer EAAsecret"}


async def test_an_upload_says_its_length_and_kind(tmp_path: Path) -> None:
    journal = Journal()
    file = tmp_path / "blob"
    file.write_bytes(b"\0\xff" * 50_000)
    async with serving(journal.take) as base, open_http() as http:
        graph = GraphClient(http, base, "v25.0", "t")
        await graph.upload(
            "1", "media", fields={"type": "application/pdf"}, file=file, name="file.pdf", mime="application/pdf"
        )
    (form,) = journal.bodies
    assert form["type"] == "application/pdf"
    assert form["file"] == ("file.pdf", "application/pdf", file.read_bytes())
    assert int(journal.headers[0]["Content-Length"]) > file.stat().st_size


async def test_a_file_that_is_not_there_never_calls(tmp_path: Path) -> None:
    async with open_http() as http:
        graph = GraphClient(http, "http://127.0.0.1:9", "v25.0", "t")
        with pytest.raises(FileNotFoundError):
            await graph.upload("1", "media", fields={}, file=tmp_path / "none", name="a", mime="b/c")


async def test_a_bare_500_is_uncertain() -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="Internal Server Error")

    async with serving(broken) as base, open_http() as http:
        with pytest.raises(Uncertain):
            await GraphClient(http, base, "v25.0", "t").get("1")
