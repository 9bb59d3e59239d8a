"""Settings made on the desk, and cursors of what is fetched."""

from __future__ import annotations

from storage.rows import Rows, Writing


class SettingsReading(Rows):
    def setting(self, key: str) -> str | None:
        row = self._first("select value from settings where key = ?", key)
        return None if row is None else str(row["value"])

    def cursor(self, name: str) -> str | None:
        row = self._first("select value from cursors where name = ?", name)
        return None if row is None else str(row["value"])


class SettingsWriting(SettingsReading, Writing):
    def set_setting(self, key: str, value: str | None) -> None:
        if value is None:
            self._all("delete from settings where key = ?", key)
            return
        sql = "insert into settings (key, value) values (?, ?) on conflict (key) do update set value = excluded.value"
        self._all(sql, key, value)

    def set_cursor(self, name: str, value: str) -> None:
        sql = "insert into cursors (name, value) values (?, ?) on conflict (name) do update set value = excluded.value"
        self._all(sql, name, value)
