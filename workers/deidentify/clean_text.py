"""Clean Descriptors (PS3.15 E.3.5): of a free text stay the words that identify nobody.

A word stays if it is in the vocabulary - `clean_words.txt`, and the site's own file - and no name
or identifier of the data set. A number of one or two digits stays, also with a letter as in T2, if
no other number is beside it, as in a date; names of vertebrae stay. Everything else is left out,
so that what nobody thought of is not kept.
"""

from __future__ import annotations

import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

_WORD = re.compile(r"[^\W_]+")
_SHORT = re.compile(r"[A-Za-z]?\d{1,2}")
_VERTEBRA = re.compile(r"[CTLS]\d{1,2}")
_DIGIT = re.compile(r"\d")
_LONGEST_WORDS = 1024 * 1024
_IDENTIFIERS = frozenset(
    {
        *(0x00100020, 0x00101000, 0x00080050, 0x00200010, 0x00080080, 0x00081010, 0x00101005),
        *(0x00100021, 0x00081040, 0x00080092, 0x00101060),
    }
)
"""Attributes besides those of names (PN) whose words stay in no text: Patient ID, Other Patient
IDs, Accession Number, Study ID, Institution Name and Department, Station Name and so on."""


@cache
def standard_words() -> frozenset[str]:
    """Return the vocabulary that comes with the gateway."""
    text = pkgutil.get_data("workers.deidentify", "clean_words.txt")
    assert text is not None
    return _words_of(text.decode())


def words_in(path: str) -> frozenset[str]:
    """Return the vocabulary of a site, words separated by white space; raises ConfigError."""
    try:
        text = Path(path).read_bytes()[: _LONGEST_WORDS + 1].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"deidentify: words_file {path} cannot be read: {error}") from None
    if len(text) > _LONGEST_WORDS:
        raise ConfigError(f"deidentify: words_file {path} is longer than {_LONGEST_WORDS} bytes")
    return _words_of(text)


def _words_of(text: str) -> frozenset[str]:
    lines = (line.partition("#")[0] for line in text.splitlines())
    return frozenset(word.casefold() for line in lines for word in _WORD.findall(line))


def identifying_words(dataset: Dataset) -> frozenset[str]:
    """Return the words of all names and identifiers, in lower case."""
    return frozenset(
        word.casefold() for text in _identifying(dataset) for word in _WORD.findall(text)
    )


def _identifying(dataset: Dataset) -> Iterator[str]:
    for tag in dataset.keys():  # noqa: SIM118 - the elements themselves are not asked for
        try:
            element = dataset[tag]
        except Exception:  # whatever pydicom raises: its bytes may hold a name all the same
            yield _text_in(dataset.get_item(tag))
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield from _identifying(item)
        elif element.VR == "PN" or int(tag) in _IDENTIFIERS:
            yield str(element.value)


def _text_in(raw: Any) -> str:
    value = getattr(raw, "value", None)
    return value.decode("latin_1") if isinstance(value, bytes) else str(value or "")


def cleaned(text: str, words: frozenset[str], identifying: frozenset[str]) -> str:
    """Return what may stay of a text, its words separated by spaces; empty: nothing."""
    found = _WORD.findall(text)
    numbers = [bool(_DIGIT.search(word)) for word in ("", *found, "")]
    kept = []
    for at, word in enumerate(found):
        folded = word.casefold()
        is_alone = not (numbers[at] or numbers[at + 2])
        is_number = _VERTEBRA.fullmatch(word) or (is_alone and _SHORT.fullmatch(word))
        if folded not in identifying and (folded in words or is_number):
            kept.append(word)
    return " ".join(kept)
