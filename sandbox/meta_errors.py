"""Graph API errors: codes, HTTP statuses, and the two shapes in which a code is told (answer and webhook).

The meaning of a code is documented; HTTP statuses and message texts are approximate in every source seen, so
nothing that is tested against this may decide on anything but `code`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"

# code: (HTTP status, title, details)
CODES: dict[int, tuple[int, str, str]] = {
    0: (401, "AuthException", "We were unable to authenticate the app user."),
    1: (500, "API Unknown", "Invalid request or possible server error."),
    2: (500, "API Service", "Temporary due to downtime or due to being overloaded."),
    3: (403, "API Method", "Capability or permissions issue."),
    4: (400, "Application request limit reached", "The app has reached its API call rate limit."),
    10: (403, "Application does not have permission for this action", "Permission is missing."),
    32: (400, "Page request limit reached", "The page has reached its API call rate limit."),
    33: (400, "Parameter value is not valid", "The business phone number has been deleted."),
    100: (400, "Invalid parameter", "The request included one or more unsupported or misspelled parameters."),
    190: (401, "Error validating access token: Session has expired.", ""),
    200: (403, "Permissions error", "Permission is either not granted or has been removed."),
    368: (403, "Temporarily blocked for policies violations", ""),
    613: (400, "Calls to this api have exceeded the rate limit.", ""),
    80006: (400, "There have been too many calls to this account.", "Wait a bit and try again."),
    80007: (400, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit."),
    130429: (400, "Rate limit hit", "Cloud API message throughput has been reached."),
    130472: (
        400,
        "User's number is part of an experiment",
        "Failed to send message because this user's phone number is part of an experiment",
    ),
    130497: (403, "Business account is restricted", "The business may not message users in this country."),
    131000: (500, "Something went wrong", "Message failed to send due to an unknown error."),
    131005: (403, "Access denied", "Permission is either not granted or has been removed."),
    131008: (400, "Required parameter is missing", "The request is missing a required parameter."),
    131009: (400, "Parameter value is not valid", "One or more parameter values are invalid."),
    131016: (503, "Service unavailable", "A service is temporarily unavailable."),
    131021: (400, "Recipient cannot be sender", "Sender and recipient phone number is the same."),
    131026: (400, "Message undeliverable", "Message Undeliverable."),
    131030: (
        400,
        "Recipient phone number not in allowed list",
        "Recipient phone number not in allowed list: add it in the app dashboard and retry.",
    ),
    131031: (403, "Business Account locked", "The account has been restricted or disabled."),
    131037: (400, "Display name not approved", "The display name of this number needs approval."),
    131042: (400, "Business eligibility payment issue", "There was an error related to the payment method."),
    131045: (400, "Incorrect certificate", "The phone number is not registered."),
    131047: (
        400,
        "Re-engagement message",
        "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    ),
    131048: (400, "Spam rate limit hit", "Message failed to send because there are restrictions on this number."),
    131049: (
        400,
        "This message was not delivered to maintain healthy ecosystem engagement.",
        "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
    ),
    131050: (400, "User has stopped marketing messages", "The user has chosen to stop marketing messages."),
    131051: (400, "Message type unknown", "Message type is currently not supported."),
    131052: (400, "Media download error", "Unable to download the media sent by the user."),
    131053: (400, "Media upload error", "Unable to upload the media used in the message."),
    131056: (
        400,
        "(Business Account, Consumer Account) pair rate limit hit",
        "Message failed to send because there were too many messages sent from this phone number to the same phone "
        "number in a short period of time.",
    ),
    131057: (400, "Account in maintenance mode", "The account is in maintenance mode."),
    131062: (
        400,
        "Business-scoped User ID (BSUID) recipients are not supported for this message",
        "Authentication templates cannot be sent to a BSUID.",
    ),
    132000: (
        400,
        "Number of parameters does not match the expected number of params",
        "The number of variable values differs from the template's.",
    ),
    132001: (404, "Template name does not exist in the translation", "Template is absent or not approved."),
    132005: (400, "Translated text too long", "Translated text is too long."),
    132012: (400, "Parameter format does not match format in the created template", "Parameter format mismatch."),
    132015: (400, "Template is Paused", "Template is paused due to low quality so it cannot be sent."),
    132016: (400, "Template is Disabled", "Template has been paused too many times and is disabled."),
    133016: (400, "Account register deregister rate limit exceeded", "Too many attempts."),
    135000: (400, "Generic user error", "Message failed to send because of an unknown error."),
    137000: (400, "Identity key mismatch", "The identity key hash does not match."),
}

# These carry neither "(#code)" in the message nor error_data in the documented examples.
_BARE = {0, 190, 368}


class GraphError(Exception):
    """The provider's own refusal. `details` goes to error_data; `subcode` and `status` override the table."""

    def __init__(
        self,
        code: int,
        details: str | None = None,
        *,
        subcode: int | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, details)
        usual_status, title, usual_details = CODES.get(code, (400, "Unknown error", ""))
        self.code = code
        self.title = title
        self.details = usual_details if details is None else details
        self.subcode = 463 if code == 190 and subcode is None else subcode
        self.status = usual_status if status is None else status
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.title, "type": "OAuthException", "code": self.code}
        if self.code not in _BARE:
            error["message"] = f"(#{self.code}) {self.title}"
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error["fbtrace_id"] = trace_id()
        return {"error": error}


class NoSuchObject(GraphError):
    """Code 100, subcode 33: an id that is not there, or does not support the operation."""

    def __init__(self, verb: str, object_id: str, *, status: int = 400) -> None:
        super().__init__(100, subcode=33, status=status)
        self.text = (
            f"Unsupported {verb.lower()} request. Object with ID '{object_id}' does not exist, cannot be loaded "
            "due to missing permissions, or does not support this operation."
        )

    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.text,
                "type": "GraphMethodException",
                "code": 100,
                "error_subcode": 33,
                "fbtrace_id": trace_id(),
            }
        }


def trace_id() -> str:
    return "A" + uuid.uuid4().hex[:22]


def hook_error(code: int, details: str | None = None) -> dict[str, Any]:
    """The same code as it stands in `errors` of a webhook."""
    _, title, usual = CODES.get(code, (400, "Unknown error", ""))
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": usual if details is None else details},
        "href": HREF,
    }
