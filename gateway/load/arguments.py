"""Parse the values of options: sizes, durations, mixes and ramps as people write them."""

from __future__ import annotations

import re

from gateway.errors import ConfigError
from gateway.load.load_plan import Rate
from gateway.load.modalities import MODALITIES

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(rf"({_NUMBER})(us|ms|s|m|h)?")
_SIZE = re.compile(rf"({_NUMBER})\s*([kKmMgG]?)(i?)[bB]?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}

STEPS = 10
"""Steps of a ramp."""
LARGEST = 1 << 30
"""Bytes of a generated instance, which is held in memory."""


def duration(text: str) -> float:
    """Return seconds from `30`, `30s`, `2m` or `250ms`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not a valid duration: write 30s, 2m or 250ms")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def size(text: str) -> int:
    """Return bytes from `8k`, `512KiB` or `30M`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not a valid size: write 8k, 512KiB or 30M")
    number = int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()])
    if not 1 <= number <= LARGEST:
        raise ConfigError(f"{text!r} is out of range: an instance has 1 byte to 1 GiB")
    return number


def mix(text: str) -> dict[str, float]:
    """Return weights by modality from `ct=70,mr=20,dx=10`."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = (one.strip() for one in part.partition("="))
        if name.lower() not in MODALITIES:
            known = ", ".join(MODALITIES)
            raise ConfigError(f"{name!r} cannot be generated: choose from {known}")
        if not re.fullmatch(_NUMBER, weight or "1") or not float(weight or "1"):
            raise ConfigError(f"{part.strip()!r}: the weight must be a number above 0, as in ct=70")
        found[name.lower()] = float(weight or "1")
    return found


def ramp(text: str) -> Rate:
    """Return a ramp from `50:2000:30s`: from 50 to 2000 operations a second in 30 seconds."""
    parts = text.split(":")
    try:
        first, last, length = float(parts[0]), float(parts[1]), duration(parts[2])
    except (IndexError, ValueError):
        why = "write FROM:TO:TIME, as in 50:2000:30s"
        raise ConfigError(f"{text!r} is not a valid ramp: {why}") from None
    if len(parts) != 3 or min(first, last, length) <= 0:
        why = "both rates and the duration must be above 0"
        raise ConfigError(f"{text!r} is not a valid ramp: {why}")
    return Rate(first, last, length, STEPS)


def study(text: str) -> tuple[int, int]:
    """Return series and instances from `3x40`: 3 series of 40 instances each."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,5})", text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not valid: write SERIESxINSTANCES, as in 3x40")
    return int(match[1]), int(match[2])
