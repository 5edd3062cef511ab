from __future__ import annotations

from tests.archive.conftest import index as index
from tests.archive.conftest import open_index as open_index
from tests.archive.conftest import postgres_dsn as postgres_dsn
from tests.archive.conftest import postgres_schema as postgres_schema
