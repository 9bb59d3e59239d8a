"""Templates of the fake account: the list answer, and the check of a send against what was approved."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.meta_errors import GraphError

PAYLOAD = 128
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def _template(
    number: int,
    name: str,
    components: list[dict[str, Any]],
    *,
    named: bool = False,
    status: str = "APPROVED",
    category: str = "UTILITY",
) -> dict[str, Any]:
    return {
        "name": name,
        "parameter_format": "NAMED" if named else "POSITIONAL",
        "components": components,
        "language": "ru",
        "status": status,
        "category": category,
        "id": str(1_600_000_000_000_000 + number),
    }


def sample_templates() -> list[dict[str, Any]]:
    """A template of each form: positional, named, with media and buttons, and one that is paused.

    Their language is "ru" like that of the documented examples; the words are in English, since nobody but the
    fake's page shows them. Whoever needs other ones sets `FakeGraph.templates`.
    """
    reminder = {
        "type": "BODY",
        "text": "Hello, {{1}}! A reminder of your consultation {{2}}.",
        "example": {"body_text": [["client", "25 November at 10:00"]]},
    }
    buttons = [
        {"type": "QUICK_REPLY", "text": "Confirm"},
        {"type": "URL", "text": "Open", "url": "https://zoom.example/{{1}}"},
    ]
    return [
        _template(1, "consult_reminder", [reminder]),
        _template(
            2,
            "consult_reminder_named",
            [{"type": "BODY", "text": "A reminder: your consultation is {{when}}."}],
            named=True,
        ),
        _template(
            3,
            "consult_materials",
            [
                {"type": "HEADER", "format": "DOCUMENT"},
                {"type": "BODY", "text": "Hello, {{1}}! Papers for our meeting."},
                {"type": "BUTTONS", "buttons": buttons},
            ],
        ),
        _template(
            4,
            "consult_news",
            [{"type": "BODY", "text": "News of the studio."}],
            status="PAUSED",
            category="MARKETING",
        ),
    ]


def page_of(templates: Sequence[dict[str, Any]], query: Mapping[str, str], here: str) -> dict[str, Any]:
    """One page of the list answer: filters, `fields`, `limit`, and cursors for `after`."""
    filters = ("status", "name", "category", "language")
    chosen = [t for t in templates if all(t[key] == query[key] for key in filters if key in query)]
    limit, start = int(query.get("limit", "25")), 0
    if query.get("after"):
        try:
            start = int(b64decode(query["after"], validate=True)) + 1
        except ValueError:
            raise GraphError(100, "Param after is not a cursor.") from None
    part = chosen[start : start + limit]
    if "fields" in query:
        wanted = {"id", *query["fields"].split(",")}
        part = [{key: value for key, value in t.items() if key in wanted} for t in part]
    if not part:
        return {"data": []}
    after = _cursor(start + len(part) - 1)
    paging: dict[str, Any] = {"cursors": {"before": _cursor(start), "after": after}}
    if start + limit < len(chosen):
        paging["next"] = f"{here}?limit={limit}&after={after}"
    return {"data": part, "paging": paging}


def _cursor(index: int) -> str:
    return b64encode(str(index).encode()).decode()


def check_template(
    template: Mapping[str, Any] | None, name: str, language: str, given: Sequence[Mapping[str, Any]]
) -> None:
    if template is not None and template["status"] == "PAUSED":
        raise GraphError(132015)
    if template is not None and template["status"] == "DISABLED":
        raise GraphError(132016)
    if template is None or template["status"] != "APPROVED":
        raise GraphError(132001, f"template name ({name}) does not exist in {language}")
    for kind in ("HEADER", "BODY"):
        _check_variables(template, kind, given)
    _check_media_header(template, given)
    _check_buttons(template, given)


def filled(template: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> str:
    """The text of the body as the client reads it."""
    values = {p.get("parameter_name", str(i)): p["text"] for i, p in enumerate(_given(given, "BODY"), 1)}
    body = _component(template, "BODY").get("text", "")
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), body)


def quick_replies(template: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Payload of each quick reply button by its text, as the client's phone will send it back."""
    payloads = {int(c["index"]): c["parameters"][0]["payload"] for c in given if c.get("sub_type") == "quick_reply"}
    buttons = _component(template, "BUTTONS").get("buttons", [])
    return {b["text"]: payloads.get(i, b["text"]) for i, b in enumerate(buttons) if b["type"] == "QUICK_REPLY"}


def _component(template: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in template["components"] if c["type"] == kind), {})


def _given(given: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [p for c in given if c.get("type", "").upper() == kind for p in c.get("parameters", [])]


def _check_variables(template: Mapping[str, Any], kind: str, given: Sequence[Mapping[str, Any]]) -> None:
    wanted = _VARIABLE.findall(_component(template, kind).get("text", ""))
    values = [p for p in _given(given, kind) if p["type"] not in {"image", "video", "document"}]
    if len(values) != len(wanted):
        raise GraphError(
            132000,
            f"{kind.lower()}: number of localizable_params ({len(values)}) does not match the expected number of "
            f"params ({len(wanted)})",
        )
    for value in values:
        if not isinstance(value.get("text"), str) or not value["text"]:
            raise GraphError(131008, f"{kind.lower()}: a parameter's text is required.")
    if template["parameter_format"] == "NAMED" and {p.get("parameter_name") for p in values} != set(wanted):
        raise GraphError(132012, f"{kind.lower()}: parameter_name must be one of {wanted}.")


def _check_media_header(template: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> None:
    wanted = _component(template, "HEADER").get("format", "TEXT").lower()
    files = [p["type"] for p in _given(given, "HEADER") if p["type"] in {"image", "video", "document"}]
    if files != ([] if wanted == "text" else [wanted]):
        raise GraphError(132012, f"header: format mismatch, expected {wanted.upper()}, received {files}.")


def _check_buttons(template: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> None:
    buttons = _component(template, "BUTTONS").get("buttons", [])
    filled_in = set()
    for component in given:
        if component.get("type") not in {"header", "body", "button"}:
            raise GraphError(131009, "components['type'] must be one of header, body, button.")
        if component["type"] != "button":
            continue
        index, kind = str(component.get("index", "")), str(component.get("sub_type", ""))
        if not index.isdigit() or int(index) >= len(buttons) or buttons[int(index)]["type"] != kind.upper():
            raise GraphError(132012, f"button: the template has no {kind} button at index {index}.")
        if any(len(p.get("payload", "")) > PAYLOAD for p in component.get("parameters", [])):
            raise GraphError(131009, f"Button payload length invalid. Max length: {PAYLOAD}")
        if not component.get("parameters"):
            raise GraphError(131008, "button: parameters are required.")
        filled_in.add(int(index))
    for place, button in enumerate(buttons):
        if _VARIABLE.search(button.get("url", "")) and place not in filled_in:
            raise GraphError(131008, f"Button at index {place} of type Url requires a parameter")
