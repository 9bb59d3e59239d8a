"""What the Graph API says of the token, the number and the subscription."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from bot.doctor.findings import Finding, broken, fine, warning
from gates.meta.graph import GraphClient
from gates.whatsapp.settings import WhatsAppSettings

MESSAGING, MANAGEMENT = "whatsapp_business_messaging", "whatsapp_business_management"
SOON = timedelta(days=7)
FIELDS = "display_phone_number,quality_rating,status"
NEW_TOKEN = "Business settings, System users: make a token that does not expire, with both whatsapp permissions"  # noqa: S105


class WhatsAppLooks:
    """Each look raises InboxError."""

    def __init__(
        self, settings: WhatsAppSettings, app_id: str | None, http: aiohttp.ClientSession, now: datetime
    ) -> None:
        self._settings = settings
        self._token = settings.access_token.get_secret_value()
        base, version = settings.graph_api_base, settings.graph_api_version
        self._graph = GraphClient(http, base, version, self._token)
        # The app asks about any token of its own; a token may ask about itself.
        asking = f"{app_id}|{settings.app_secret.get_secret_value()}" if app_id else self._token
        self._inspector = GraphClient(http, base, version, asking)
        self._now = now

    def all(self) -> dict[str, Callable[[], Awaitable[list[Finding]]]]:
        looks: dict[str, Callable[[], Awaitable[list[Finding]]]] = {
            "whatsapp.token": self._access,
            "whatsapp.number": self._number,
        }
        if self._settings.business_account_id is not None:
            looks["whatsapp.subscription"] = self._subscription
        return looks

    async def _access(self) -> list[Finding]:
        answer = await self._inspector.get("debug_token", params={"input_token": self._token})
        return token(_object(answer.get("data")), self._now, manages=self._settings.business_account_id is not None)

    async def _number(self) -> list[Finding]:
        return [number(await self._graph.get(self._settings.phone_number_id, params={"fields": FIELDS}))]

    async def _subscription(self) -> list[Finding]:
        answer = await self._graph.get(str(self._settings.business_account_id), "subscribed_apps")
        if answer.get("data"):
            return [fine("whatsapp.subscription", "an app gets this account's webhooks")]
        fix = "POST /WHATSAPP_BUSINESS_ACCOUNT_ID/subscribed_apps with the token (gates/whatsapp/doc.md)"
        return [broken("whatsapp.subscription", "no app is subscribed: no message comes", fix)]


def token(data: Mapping[str, Any], now: datetime, *, manages: bool) -> list[Finding]:
    """Of `debug_token`: whether it is valid, until when, and what it may. manages: templates are wanted."""
    check = "whatsapp.token"
    if not data.get("is_valid"):
        return [broken(check, "is not valid any more", NEW_TOKEN)]
    ends = [data.get(name) for name in ("expires_at", "data_access_expires_at")]
    end = min((datetime.fromtimestamp(at, UTC) for at in ends if isinstance(at, int) and at > 0), default=None)
    if end is None:
        findings = [fine(check, "does not expire")]
    elif end - now < SOON:
        findings = [warning(check, f"ends {end:%Y-%m-%d %H:%M} UTC", NEW_TOKEN)]
    else:
        findings = [fine(check, f"ends {end:%Y-%m-%d}")]
    scopes = data.get("scopes") or ()
    if MESSAGING not in scopes:
        findings.append(broken("whatsapp.scopes", f"{MESSAGING} is missing: nothing can be sent", NEW_TOKEN))
    elif manages and MANAGEMENT not in scopes:
        findings.append(warning("whatsapp.scopes", f"{MANAGEMENT} is missing: no templates", NEW_TOKEN))
    else:
        findings.append(fine("whatsapp.scopes", "as needed"))
    return findings


def number(data: Mapping[str, Any]) -> Finding:
    check, shown = "whatsapp.number", str(data.get("display_phone_number") or "known")
    status, quality = data.get("status"), data.get("quality_rating")
    if status not in (None, "CONNECTED"):
        return broken(check, f"{shown} is {status}", "WhatsApp Manager, Phone numbers: register or verify it")
    if quality == "RED":
        return warning(check, f"{shown}: quality is RED, Meta may limit it", "write to those only who wrote first")
    return fine(check, f"{shown}, quality {quality or 'not known'}")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
