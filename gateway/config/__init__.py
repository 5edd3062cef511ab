"""Read settings from a TOML file, environment variables and command options.

Each of these overrides the ones before it. `gateway.settings` states the fields and defaults, and
`tables` states the valid values; pydantic models are made of both, so that a setting is stated
once. Any error is a `ConfigError` of one line: the source, the path and the value of the setting,
and what it must be.
"""

from gateway.config.existing import check_existing, check_tls_files
from gateway.config.reading import CONFIG_VARIABLE, load
from gateway.config.rules import AE_TITLE, is_ae_title
from gateway.config.schema_of_settings import json_schema
from gateway.config.secrets import hide_secrets
from gateway.config.toml_text import to_toml

__all__ = [
    "AE_TITLE",
    "CONFIG_VARIABLE",
    "check_existing",
    "check_tls_files",
    "hide_secrets",
    "is_ae_title",
    "json_schema",
    "load",
    "to_toml",
]
