"""What the invented people of a measurement say, from a file beside the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SAID: dict[str, Any] = json.loads(Path(__file__).with_name("phrases.json").read_text("utf-8"))

OWNER_NAME: str = _SAID["owner"]
GREETING: str = _SAID["greeting"]
QUESTION: str = _SAID["question"]
ANSWER: str = _SAID["answer"]
COMMON: str = _SAID["common"]
RARE: str = _SAID["rare"]
WORDS: tuple[str, ...] = (*_SAID["stems"], *(f"{stem}{end}" for stem in _SAID["stems"] for end in _SAID["endings"]))


def client_name(number: int) -> str:
    return f"{_SAID['client']} {number}"
