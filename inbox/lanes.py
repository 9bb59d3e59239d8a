"""Names of targets and lanes. A lane keeps its order; lanes do not wait for each other."""

from __future__ import annotations

from inbox.model import ContactId, Provider

DESK = "desk"
GENERAL = "desk:0"


def desk_lane(contact_id: ContactId) -> str:
    return f"desk:{contact_id}"


def client_lane(provider: Provider, contact_id: ContactId) -> str:
    return f"{provider}:{contact_id}"


def contact_of(lane: str) -> ContactId | None:
    """The contact of a lane, or None for General."""
    number = int(lane.rpartition(":")[2])
    return ContactId(number) if number else None
