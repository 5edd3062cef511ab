"""Where settings come from: a TOML file, the environment and command options, in this order.

The fields and defaults are those of `gateway.settings`; here stands what each may be. The tables
are read by pydantic models made from both, so that a setting is stated once. Whatever is unknown
or wrong is one `ConfigError` of one line: where it came from, its path, its value, and what would
be right.
"""

from gateway.config.reading import CONFIG_VARIABLE, load
from gateway.config.values import AE_TITLE, is_ae_title
from gateway.config.writing import to_toml

__all__ = ["AE_TITLE", "CONFIG_VARIABLE", "is_ae_title", "load", "to_toml"]
