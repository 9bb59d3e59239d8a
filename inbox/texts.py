"""Every word that the owner or a client can see comes from here."""

from __future__ import annotations

from typing import Protocol

from inbox.model import Text


class Texts(Protocol):
    def text(self, key: str, language: str, **values: object) -> Text:
        """Render with formatting: `**bold**`, `_italic_` and `` `code` `` of the resource become spans."""
        ...

    def plain(self, key: str, language: str, **values: object) -> str:
        """Render for a label, a topic's name, a command's description."""
        ...
