"""Lanes, their heads, and what stands aside."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.model import (
    Act,
    Button,
    DeliveryId,
    DeliveryState,
    ExternalId,
    MessageId,
    Notice,
    Part,
    Place,
    Text,
)
from inbox.store import Queue, Unit
from storage.migrate import migrate, migrations
from storage.store import SqlStore
from storage.unit import SqlUnit
from tests.storage.world import StoodClock, person, said
