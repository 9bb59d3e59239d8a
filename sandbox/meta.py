"""A strict stand-in for Meta's Graph API, WhatsApp Cloud API part, on loopback.

Written from the documented behaviour only: anything else that the product tries is answered with Graph's error
100/33 and stands in the journal under its own method and path. The rules live in `meta_rules`, the clients and
their webhooks in `meta_clients` and `meta_hooks`; here are the addresses, the planned trouble and the outcome of
a send.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.meta_clients import TYPING_SECONDS, WINDOW_SECONDS, Bubble, Phone, WhatsAppClients, new_wamid
from sandbox.meta_errors import GraphError, NoSuchObject, hook_error
from sandbox.meta_http import CUT, TAKEN, Act, Answer, Asked, garbage, read_form, read_json, refusal, respond
from sandbox.meta_limits import Limits
from sandbox.meta_media import LARGEST, bare, misfit
from sandbox.meta_rules import BSUID, NUMBER, Lookups, check_read, check_send
from sandbox.meta_sends import bubble_of
from sandbox.meta_templates import page_of, sample_templates
from sandbox.world import World

APP_ID = "900800700600500"
SCOPES = ["whatsapp_business_messaging", "whatsapp_business_management"]
FAILS_LATER = {"5550147": 131047}  # by the end of the number: accepted, then a failed status
FAILS_AT_ONCE = {"5550156": 131056}
REACTION_SECONDS = 30 * 86400
FILE_PATH = "/whatsapp_business/attachments/"


class FakeGraph(WhatsAppClients):
    """One app, one WhatsApp account, one business number.

    Switches: `token_valid`; `auto_statuses` (sent, delivered, and read where the phone reads, after each accepted
    send); `reverse_statuses`; `window_error_sync` (131047 in the answer instead of a failed status); `buckets`
    (pair rate). Those of the webhook sender are in `WebhookSender`. Failed statuses come whatever the switches.
    """

    def __init__(
        self,
        world: World,
        *,
        app_secret: str,
        verify_token: str,
        access_token: str,
        phone_number_id: str,
        waba_id: str,
        display_phone: str = "12025550100",
        version: str = "v25.0",
    ) -> None:
        super().__init__(
            world,
            app_secret,
            verify_token,
            phone_number_id=phone_number_id,
            waba_id=waba_id,
            display_phone=display_phone.lstrip("+"),
        )
        self.access_token = access_token
        self.version = version
        self.token_valid = True
        self.token_expires_at = 0  # Unix seconds; 0: never
        self.auto_statuses = True
        self.reverse_statuses = False
        self.window_error_sync = False
        self.buckets = False
        self.templates = sample_templates()
        self.base = ""
        self.limits = Limits(world.now, waba_id)
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    async def start(self, port: int = 0) -> str:
        """The base address, without a slash at its end."""
        app = web.Application(client_max_size=LARGEST + 1024**2)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._stopping.clear()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.open_webhooks()
        return self.base

    async def stop(self) -> None:
        self._stopping.set()
        await self.close_webhooks()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name, act = self._find(request)
        fault = self.world.trouble("graph", name)
        asked: Asked = {"path": request.path, **request.query}
        if fault is None or fault.kind in TAKEN:
            answer = await self._answer(act, request, asked)
        else:
            answer = refusal(fault, name, self.waba_id)
        kind = "" if fault is None else fault.kind
        if fault is not None and kind == "garbage":
            answer = garbage(fault)
        cut = kind in CUT
        self.world.record("graph", name, asked, 0 if cut else answer.status, None if cut else answer.body, kind)
        if kind == "hang" and fault is not None:
            await self._wait(fault.seconds)
        return await respond(request, answer, kind)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _answer(self, act: Act, request: web.Request, asked: Asked) -> Answer:
        try:
            return await act(request, asked)
        except GraphError as error:
            return Answer(error.status, error.body(), headers=error.headers)

    def _find(self, request: web.Request) -> tuple[str, Act]:
        """The journal's name of the call, and what answers it."""
        if request.path == FILE_PATH and request.method == "GET":
            return "GET /file", self._file
        parts = request.path.strip("/").split("/")
        versioned = re.fullmatch(r"v[0-9]+\.[0-9]+", parts[0]) is not None
        if parts[versioned:] == ["debug_token"] and request.method == "GET":
            return "GET /debug_token", self._debug_token
        if versioned and len(parts) == 3:
            name = f"{request.method} /{parts[2]}"
            act = {
                "POST /messages": self._messages,
                "POST /media": self._upload,
                "GET /message_templates": self._templates,
                "GET /subscribed_apps": self._apps,
                "POST /subscribed_apps": self._subscribe,
                "DELETE /subscribed_apps": self._unsubscribe,
            }.get(name)
            if act is not None:
                owner = self.phone_number_id if parts[2] in {"messages", "media"} else self.waba_id
                return name, self._guarded(act, parts, owner)
        if versioned and len(parts) == 2 and request.method in {"GET", "DELETE"}:
            if parts[1] == self.phone_number_id and request.method == "GET":
                return "GET /phone", self._guarded(self._number, parts, None)
            act = self._media_address if request.method == "GET" else self._drop_media
            return f"{request.method} /media", self._guarded(act, parts, None)
        return f"{request.method} {request.path}", self._unknown

    def _guarded(self, act: Act, parts: list[str], owner: str | None) -> Act:
        """Version, token and owner are looked at before the call itself."""

        async def guarded(request: web.Request, asked: Asked) -> Answer:
            if parts[0] != self.version:
                raise GraphError(100, f"This app calls {self.version}, not {parts[0]}.")
            self._authorize(request)
            if owner is not None and parts[1] != owner:
                raise NoSuchObject(request.method, parts[1])
            asked["id"] = parts[1]
            return await act(request, asked)

        return guarded

    def _authorize(self, request: web.Request) -> None:
        wanted = f"Bearer {self.access_token}".encode()
        given = request.headers.get("Authorization", "").encode()
        if not self.token_valid or not hmac.compare_digest(wanted, given):
            raise GraphError(190)
        proof = request.query.get("appsecret_proof")
        if proof is not None:
            mac = hmac.new(self.app_secret.encode(), self.access_token.encode(), hashlib.sha256)
            if not hmac.compare_digest(mac.hexdigest().encode(), proof.encode()):
                raise GraphError(100, "Invalid appsecret_proof provided in the API argument")

    async def _unknown(self, request: web.Request, asked: Asked) -> Answer:
        asked["unknown"] = True
        raise NoSuchObject(request.method, request.path.strip("/"), status=404)

    async def _messages(self, request: web.Request, asked: Asked) -> Answer:
        body = await read_json(request)
        asked.clear()
        asked.update(body)
        if body.get("messaging_product") != "whatsapp":
            raise GraphError(100, "The parameter messaging_product is required and must be whatsapp.")
        if "status" in body:
            return self._mark_read(body)
        phone, by_user_id, given = self._recipient(body)
        for ending, code in FAILS_AT_ONCE.items():
            if phone.number.endswith(ending):
                raise GraphError(code)
        check_send(body, self._lookups(phone))
        template = self._template_of(body)
        if by_user_id and template is not None and template["category"] == "AUTHENTICATION":
            raise GraphError(131062)
        window_open = self._window_open(phone)
        if not window_open and template is None and self.window_error_sync:
            raise GraphError(131047)
        person = phone.user_id or phone.number
        self.limits.look(person)
        if self.buckets:
            self.limits.pay(person)
        bubble = bubble_of(
            new_wamid(phone.number, inbound=False),
            phone,
            body,
            at=self.world.now(),
            by_user_id=by_user_id,
            window_open=window_open,
            template=template,
            shelf=self.shelf,
        )
        self._accept(bubble, self._failure(bubble, template is not None, window_open))
        contact = {"input": given, **({"user_id": given} if by_user_id else {"wa_id": phone.number})}
        accepted = {"id": bubble.id, **({"message_status": "accepted"} if template is not None else {})}
        return Answer(200, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [accepted]})

    def _mark_read(self, body: Mapping[str, Any]) -> Answer:
        """This message and the earlier ones of its chat are read; typing is seen for 25 seconds."""
        bubble = self.bubbles.get(check_read(body))
        if bubble is None or bubble.sender != "client":
            raise GraphError(131009, "message_id is not a message of a client.")
        bubbles = bubble.phone.bubbles
        for earlier in bubbles[: bubbles.index(bubble) + 1]:
            if earlier.sender == "client":
                earlier.status = "read"
        if "typing_indicator" in body:
            bubble.phone.typing_until = self.world.now() + TYPING_SECONDS
        self.world.touch()
        return Answer(200, {"success": True})

    def _recipient(self, body: Mapping[str, Any]) -> tuple[Phone, bool, str]:
        """The phone, whether it was named by its user id, and the name given. `to` wins over `recipient`."""
        by_user_id = "to" not in body
        given = body.get("recipient" if by_user_id else "to")
        if given is None:
            raise GraphError(131008, "The parameter to, or recipient, is required.")
        shape = BSUID if by_user_id else NUMBER
        if not isinstance(given, str) or not shape.fullmatch(given):
            raise GraphError(131009, "The recipient is not a phone number or a business-scoped user id.")
        if given.lstrip("+") == self.display_phone:
            raise GraphError(131021)
        phone = next((p for p in self.phones.values() if p.user_id == given), None)
        if not by_user_id:
            phone = self.phones.get(given.lstrip("+"))
        number = "" if by_user_id else given.lstrip("+")
        stranger = Phone(number, "", given if by_user_id else "", hides_number=by_user_id, on_whatsapp=False)
        return phone or stranger, by_user_id, given

    def _lookups(self, phone: Phone) -> Lookups:
        def uploaded(media_id: str) -> bool:
            media = self.shelf.get(media_id)
            return media is not None and media.uploaded

        def in_chat(wamid: str) -> bool:
            bubble = self.bubbles.get(wamid)
            recent = self.world.now() - REACTION_SECONDS
            return bubble is not None and bubble.phone is phone and bubble.kind != "reaction" and bubble.at > recent

        return Lookups(uploaded, in_chat, self._template)

    def _template(self, name: str, language: str) -> Mapping[str, Any] | None:
        return next((t for t in self.templates if (t["name"], t["language"]) == (name, language)), None)

    def _template_of(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if body["type"] != "template":
            return None
        return self._template(body["template"]["name"], body["template"]["language"]["code"])

    def _window_open(self, phone: Phone) -> bool:
        return phone.last_wrote is not None and self.world.now() - phone.last_wrote < WINDOW_SECONDS

    def _failure(self, bubble: Bubble, templated: bool, window_open: bool) -> tuple[int, str | None] | None:
        """Code and details of the failed status that will follow, if any."""
        for ending, code in FAILS_LATER.items():
            if bubble.phone.number.endswith(ending):
                return code, None
        if not bubble.phone.on_whatsapp:
            return 131026, None
        if not window_open and not templated:
            return 131047, None
        media = self.shelf.get((bubble.media or {}).get("id", ""))
        details = misfit(bubble.raw["type"], media, voice=bubble.kind == "voice") if media else None
        return None if details is None else (131053, details)

    def _accept(self, bubble: Bubble, failure: tuple[int, str | None] | None) -> None:
        self.keep(bubble)
        if failure is not None:
            self.status(bubble.id, "failed", errors=[hook_error(*failure)])
            return
        bubble.phone.typing_until = 0.0
        if bubble.kind == "reaction":
            self.react(bubble.reply_to, "business", bubble.text)
        if self.auto_statuses:
            states = ["sent", "delivered"] + (["read"] if bubble.phone.reads else [])
            for state in reversed(states) if self.reverse_statuses else states:
                self.status(bubble.id, state)

    async def _upload(self, request: web.Request, asked: Asked) -> Answer:
        fields, content, name, mime = await read_form(request)
        asked.update(fields, file_name=name, size=len(content))
        if set(fields) != {"messaging_product", "type"} or fields["messaging_product"] != "whatsapp":
            raise GraphError(100, "The form must have messaging_product=whatsapp, type and file, and no more.")
        if not name or not content:
            raise GraphError(131008, "The parameter file, with a file name, is required.")
        if bare(mime) != bare(fields["type"]) or "/" not in mime:
            raise GraphError(131009, f"The part says {mime or 'nothing'}, type says {fields['type']}.")
        if len(content) > LARGEST:
            raise GraphError(131053, "Media file size too big. Max file size we currently support: 100MB.")
        media = self.shelf.put(content, fields["type"], uploaded=True, name=name)
        return Answer(200, {"id": media.id})

    async def _media_address(self, request: web.Request, asked: Asked) -> Answer:
        media = self.shelf.get(asked["id"])
        if media is None or request.query.get("phone_number_id", self.phone_number_id) != self.phone_number_id:
            raise NoSuchObject("get", asked["id"])
        return Answer(
            200,
            {
                "messaging_product": "whatsapp",
                "url": self.base + self.shelf.address(media),
                "mime_type": media.mime,
                "sha256": media.sha256_hex,
                "file_size": len(media.content),
                "id": media.id,
            },
        )

    async def _drop_media(self, request: web.Request, asked: Asked) -> Answer:
        if request.query.get("phone_number_id", self.phone_number_id) != self.phone_number_id:
            raise NoSuchObject("delete", asked["id"])
        if not self.shelf.drop(asked["id"]):
            raise NoSuchObject("delete", asked["id"])
        return Answer(200, {"success": True})

    async def _file(self, request: web.Request, asked: Asked) -> Answer:
        self._authorize(request)
        media = self.shelf.at(request.query.get("mid", ""), request.query.get("hash", ""))
        if media is None:
            return Answer(404, "", b"", "text/plain")
        return Answer(200, {"size": len(media.content)}, media.content, media.mime)

    async def _number(self, request: web.Request, asked: Asked) -> Answer:
        known: dict[str, Any] = {
            "display_phone_number": f"+{self.display_phone}",
            "verified_name": "Consult Studio",
            "quality_rating": "GREEN",
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
            "status": "CONNECTED",
            "platform_type": "CLOUD_API",
            "throughput": {"level": "STANDARD"},
            "webhook_configuration": {"application": self.webhook_url or ""},
            "is_on_biz_app": False,
            "id": self.phone_number_id,
        }
        usual = "verified_name,code_verification_status,display_phone_number,quality_rating,id"
        wanted = {"id", *request.query.get("fields", usual).split(",")}
        for name in wanted - set(known):
            raise GraphError(100, f"Tried accessing nonexistent field ({name})")
        return Answer(200, {key: value for key, value in known.items() if key in wanted})

    async def _templates(self, request: web.Request, asked: Asked) -> Answer:
        here = f"{self.base}/{self.version}/{self.waba_id}/message_templates"
        return Answer(200, page_of(self.templates, request.query, here))

    async def _apps(self, request: web.Request, asked: Asked) -> Answer:
        link = f"https://www.facebook.com/games/?app_id={APP_ID}"
        app = {"id": APP_ID, "name": "Consult Control Centre", "link": link}
        data = [{"whatsapp_business_api_data": app}] if self.subscribed else []
        return Answer(200, {"data": data})

    async def _subscribe(self, request: web.Request, asked: Asked) -> Answer:
        if request.can_read_body:
            body = await read_json(request)
            asked.update(body)
            if not set(body) <= {"override_callback_uri", "verify_token"}:
                raise GraphError(100, "Only override_callback_uri and verify_token are known.")
        self.subscribed = True
        return Answer(200, {"success": True})

    async def _unsubscribe(self, request: web.Request, asked: Asked) -> Answer:
        self.subscribed = False
        return Answer(200, {"success": True})

    async def _debug_token(self, request: web.Request, asked: Asked) -> Answer:
        """Asked with the app token `APP_ID|APP_SECRET`, or with the token itself."""
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        by = request.query.get("access_token", bearer)
        asked.pop("access_token", None)
        asked.pop("input_token", None)
        app_token = f"{APP_ID}|{self.app_secret}"
        if by != app_token and not (by == self.access_token and self.token_valid):
            raise GraphError(190)
        if not request.query.get("input_token"):
            raise GraphError(100, "The parameter input_token is required.")
        valid = self.token_valid and request.query["input_token"] == self.access_token
        data: dict[str, Any] = {
            "app_id": APP_ID,
            "type": "SYSTEM_USER",
            "is_valid": valid,
            "expires_at": self.token_expires_at,
            "data_access_expires_at": 0,
            "scopes": SCOPES if valid else [],
            "granular_scopes": [{"scope": s, "target_ids": [self.waba_id]} for s in SCOPES] if valid else [],
        }
        if not valid:
            error = GraphError(190)
            data["error"] = {"code": error.code, "message": error.title, "subcode": error.subcode}
        return Answer(200, {"data": data})
