"""Everything that a query or a unit of work may do: the tables' classes put together."""

from __future__ import annotations

from storage.deliveries import DeliveriesReading, DeliveriesWriting
from storage.desk import DeskReading, DeskWriting
from storage.events import EventsReading, EventsWriting
from storage.inbox import InboxReading, InboxWriting
from storage.jobs import JobsReading, JobsWriting
from storage.messages import MessagesReading, MessagesWriting
from storage.people import PeopleReading, PeopleWriting
from storage.search import SearchReading
from storage.settings import SettingsReading, SettingsWriting
from storage.waits import WaitsWriting


class SqlReading(
    InboxReading,
    MessagesReading,
    SearchReading,
    DeliveriesReading,
    DeskReading,
    PeopleReading,
    EventsReading,
    JobsReading,
    SettingsReading,
):
    """Implements `inbox.store.Reading`."""


class SqlUnit(
    InboxWriting,
    MessagesWriting,
    SearchReading,
    DeliveriesWriting,
    DeskWriting,
    PeopleWriting,
    EventsWriting,
    JobsWriting,
    SettingsWriting,
    WaitsWriting,
):
    """Implements `inbox.store.Unit`."""
