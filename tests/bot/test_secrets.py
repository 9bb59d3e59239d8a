"""Secrets at rest: what key opens what, and how the key file comes to be."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.secrets import KEY_FILE, KeyFileBroken, Vault, open_vault


@given(st.text())
@settings(max_examples=50)
def test_opens_what_it_sealed(plain: str) -> None:
    vault = Vault(["any text at all"])
    sealed = vault.seal(plain)
    assert vault.open(sealed) == plain
    assert sealed != plain
    assert sealed.isascii()


@given(st.text())
@settings(max_examples=50)
def test_what_is_no_seal_opens_to_nothing(text: str) -> None:
    assert Vault(["key"]).open(text) is None


@pytest.mark.parametrize("key", ["short", "ключ", "x" * 500, "=" * 44, "kgYjjmyN3WC_0-izdoR1nCXossEZ3CROoLyhjmj6l2k="])
def test_any_text_is_a_key(key: str) -> None:
    sealed = Vault([key]).seal("planted")
    assert Vault([key]).open(sealed) == "planted"
    assert Vault([key + "x"]).open(sealed) is None


def test_a_fernet_key_is_used_as_it_is() -> None:
    key = Fernet.generate_key()
    assert Fernet(key).decrypt(Vault([key.decode()]).seal("planted")) == b"planted"


def test_rotation() -> None:
    old = Vault(["old"])
    both = Vault(["new", "old"])
    assert both.open(old.seal("planted")) == "planted"
    assert Vault(["new"]).open(both.seal("planted")) == "planted"
    assert old.open(both.seal("planted")) is None


def test_what_an_old_key_sealed_is_sealed_anew_with_the_first() -> None:
    sealed = Vault(["old"]).seal("planted")
    renewed = Vault(["new", "old"]).renew(sealed)
    assert renewed is not None and Vault(["new"]).open(renewed) == "planted"
    assert Vault(["old"]).open(renewed) is None
    assert Vault(["new", "old"]).renew(renewed) is None
    assert Vault(["new"]).renew(sealed) is None
    assert Vault(["new"]).renew("no seal at all, ключ") is None


def test_the_key_file_is_made_once_and_is_ours_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    sealed = open_vault(folder, ()).seal("planted")
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in folder.iterdir()] == [KEY_FILE]
    made = path.read_bytes()
    assert open_vault(folder, ()).open(sealed) == "planted"
    assert path.read_bytes() == made


def test_a_key_file_that_others_may_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    path.write_text("key")
    path.chmod(0o644)
    open_vault(tmp_path, ())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_with_a_key_in_the_settings_no_file_is_made(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path, [SecretStr("key")]).seal("planted")
    assert list(tmp_path.iterdir()) == []
    assert open_vault(tmp_path, [SecretStr("new"), SecretStr("key")]).open(sealed) == "planted"


def test_the_key_file_still_opens_after_a_key_is_set(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path, ()).seal("planted")
    vault = open_vault(tmp_path, [SecretStr("key")])
    assert vault.open(sealed) == "planted"
    assert Vault(["key"]).open(vault.seal("planted")) == "planted"


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_broken_key_file_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(KeyFileBroken):
        open_vault(tmp_path, ())
    assert (tmp_path / KEY_FILE).read_bytes() == content


def test_several_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: open_vault(tmp_path, ()), range(16)))
    sealed = vaults[0].seal("planted")
    assert {vault.open(sealed) for vault in vaults} == {"planted"}
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE]
