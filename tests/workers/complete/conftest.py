from __future__ import annotations

from tests.archive.conftest import postgres_dsn as postgres_dsn
from tests.archive.conftest import postgres_schema as postgres_schema
