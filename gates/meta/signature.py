"""Who calls a Meta webhook: the handshake and the signature over the raw bytes.

Compared as bytes in constant time: `hmac.compare_digest` raises TypeError for a `str` that is not ASCII.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from inbox.errors import Unverified

HEADER = "X-Hub-Signature-256"


def verify(
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[str],
    token: str,
) -> str | None:
    """Return the handshake's challenge for a GET and None for a signed POST; raise Unverified otherwise."""
    if method == "GET":
        return handshake(query, token)
    if method != "POST":
        raise Unverified("method")
    check(headers, body, secrets)
    return None


def handshake(query: Mapping[str, str], token: str) -> str:
    """Return `hub.challenge` as it came. Raises Unverified."""
    challenge = query.get("hub.challenge", "")
    given = query.get("hub.verify_token", "")
    same = hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
    if query.get("hub.mode") != "subscribe" or not challenge or not token or not same:
        raise Unverified("handshake")
    return challenge


def check(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Accept a body that one of the secrets signed. Raises Unverified."""
    given = headers.get(HEADER, "").strip().encode("ascii", "replace")
    # Each secret is tried, whichever fits: the time must not say which one it was.
    matches = [hmac.compare_digest(given, sign(body, secret)) for secret in secrets if secret]
    if not any(matches):
        raise Unverified("signature")


def sign(body: bytes, secret: str) -> bytes:
    """What the header says for this body: "sha256=" and lower-case hex."""
    return b"sha256=" + hmac.digest(secret.encode(), body, "sha256").hex().encode()
