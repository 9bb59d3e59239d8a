"""Secrets at rest: what is pasted on the desk is stored sealed, with a key that is not in the database."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

KEY_FILE = "secret.key"


class KeyFileBroken(Exception):
    """The key file is there and holds no key. Made anew, it would open nothing of what is stored."""


class Vault:
    """Seals with the first key, opens with any."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._first = _fernet(keys[0])
        self._fernet = MultiFernet([_fernet(key) for key in keys])

    def seal(self, plain: str) -> str:
        return self._fernet.encrypt(plain.encode()).decode("ascii")

    def open(self, sealed: str) -> str | None:
        """None: sealed with a key that is not here, or no seal at all. The owner is asked for the secret again."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except (InvalidToken, UnicodeError):
            return None

    def renew(self, sealed: str) -> str | None:
        """What another key than the first has sealed, sealed with the first; None: nothing to do, or no key for it."""
        try:
            self._first.decrypt(sealed.encode())
            return None
        except InvalidToken:
            plain = self.open(sealed)
        return None if plain is None else self.seal(plain)


def open_vault(data_dir: Path, secret_keys: Sequence[SecretStr]) -> Vault:
    """Keys of the settings, else the key file of `data_dir`, made (mode 0600) where there is none.

    A key file that is there keeps opening after SECRET_KEY is set. Raises KeyFileBroken or OSError.
    """
    keys = [key.get_secret_value() for key in secret_keys]
    path = data_dir / KEY_FILE
    if not keys and not path.exists():
        _make(path)
    if path.exists():
        keys.append(_read(path))
    return Vault(keys)


def peek(data_dir: Path, secret_keys: Sequence[SecretStr]) -> Vault | None:
    """The same keys for one who only looks: nothing is made or changed. None: there is no key that can be read."""
    keys = [key.get_secret_value() for key in secret_keys]
    try:
        keys.append((data_dir / KEY_FILE).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        pass
    keys = [key for key in keys if key]
    return Vault(keys) if keys else None


def _fernet(key: str) -> Fernet:
    """A Fernet key as it is; of any other text the SHA-256."""
    try:
        if len(key) == 44 and len(base64.urlsafe_b64decode(key)) == 32:
            return Fernet(key)
    except (binascii.Error, ValueError):
        pass
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))


def _make(path: Path) -> None:
    """The file appears whole or not at all, and never in place of another."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # somebody was faster: theirs is the key
    finally:
        os.unlink(draft)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    try:
        key = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise KeyFileBroken(str(path)) from None
    if not key:
        raise KeyFileBroken(str(path))
    return key
