"""The plain words of a rich message: its blocks line by line, without their looks."""

from __future__ import annotations

from gates.telegram.shape import word

_DEPTH = 32
_INLINE_KEYS = ("text", "expression", "alternative_text")
_NESTED_KEYS = ("summary", "blocks", "items", "caption", "credit")
_ENDS_A_LINE = frozenset({"paragraph", "heading", "pre", "footer", "pullquote", "mathematical_expression", "thinking"})


def rich_words(value: object, depth: int = 0) -> str:
    """Words of rich text, of a block or of a list of either; "" for what has none."""
    if depth > _DEPTH:
        return ""
    if isinstance(value, str):
        return word({"": value}, "") or ""
    if isinstance(value, list):
        return "".join(rich_words(item, depth + 1) for item in value)
    return _block_words(value, depth) if isinstance(value, dict) else ""


def _block_words(block: dict[str, object], depth: int) -> str:
    own = "".join(rich_words(block.get(key), depth + 1) for key in _INLINE_KEYS)
    if label := rich_words(block.get("label"), depth + 1):
        own = f"{label} {own}"
    if own and word(block, "type") in _ENDS_A_LINE:
        own += "\n"
    rows = block.get("cells")
    for row in rows if isinstance(rows, list) else []:
        cells = row if isinstance(row, list) else []
        own += " | ".join(rich_words(cell, depth + 1).strip() for cell in cells) + "\n"
    for key in _NESTED_KEYS:
        own = _on_its_own_line(own, rich_words(block.get(key), depth + 1), join=key == "blocks")
    return own


def _on_its_own_line(before: str, words: str, *, join: bool) -> str:
    """What is nested in a list item goes on behind its label; all else begins and ends a line."""
    if not words:
        return before
    gap = "" if join or not before or before.endswith("\n") else "\n"
    return before + gap + (words if words.endswith("\n") else f"{words}\n")
