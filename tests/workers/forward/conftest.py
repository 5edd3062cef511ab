from __future__ import annotations

from tests.archive.conftest import index, open_index, postgres_dsn, postgres_schema

__all__ = ["index", "open_index", "postgres_dsn", "postgres_schema"]
