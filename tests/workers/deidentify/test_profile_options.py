"""The options of `[workers.deidentify]`, and its key: each wrong one has an exact error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.sdk import ConfigError
from workers.deidentify.key_files import read_key
from workers.deidentify.pixel_areas import PixelArea
from workers.deidentify.private_elements import PrivateTag
from workers.deidentify.profile_options import profile_of

if TYPE_CHECKING:
    from pathlib import Path

US_RULE = {"match": {"Modality": "US"}, "areas": [[0, 0, 0, 40]]}


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    place = tmp_path / "key"
    place.touch(0o600)
    place.write_text("0123456789abcdef" * 4 + "\n")
    return str(place)


def test_options_become_a_profile(key_file: str, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("Kniegelenk # a comment of the site\n")
    found = profile_of(
        {
            "key_file": key_file,
            "profile": ["clean_pixels", "clean_descriptors", "retain_safe_private"],
            "pixels": [US_RULE],
            "words_file": str(words),
            "safe_private": ["0019,ACME,0C"],
            "remove": ["Manufacturer"],
            "archive": {"dsn": ""},  # an installed worker gets the tables of the others, too
        }
    )
    assert found.key == b"0123456789abcdef" * 4
    assert found.pixel_rules[0].areas == (PixelArea(0, 0, 0, 40),)
    assert {"kniegelenk", "thorax"} <= found.words
    assert "comment" not in found.words
    assert PrivateTag(0x19, "ACME", 0x0C) in found.safe_private
    assert found.remove == {0x00080070}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"key": "x"}, "there is no option 'key'; known: key_file, profile, pixels"),
        ({"profile": "retain_uids"}, "profile = 'retain_uids': it must be a list"),
        ({"profile": ["retain_uid"]}, "there is no option 'retain_uid'; did you mean retain_uids?"),
        (
            {"profile": ["clean_recognizable_visual_features"]},
            "clean_recognizable_visual_features is not possible: that nobody is recognizable",
        ),
        ({"profile": ["zzz"]}, "there is no option 'zzz'; known: clean_pixels, clean_graphics"),
        ({"profile": [3]}, "profile: 3: it must be a text"),
        (
            {"profile": ["retain_full_dates", "retain_modified_dates"]},
            "retain_full_dates and retain_modified_dates exclude each other",
        ),
        ({"burned_in": "drop"}, "burned_in = 'drop': it must be refuse or keep"),
        ({"profile": ["clean_pixels"]}, "clean_pixels needs rules"),
        ({"pixels": [US_RULE]}, 'pixels has no effect without "clean_pixels" in profile'),
        ({"words_file": "x"}, "words_file has no effect without"),
        ({"safe_private": ["0019,A,0C"]}, 'no effect without "retain_safe_private"'),
        (
            {"profile": ["retain_safe_private"], "safe_private": ["0018,A,0C"]},
            "'0018,A,0C' is not a private element: write GROUP,CREATOR,ELEMENT",
        ),
        (
            {"remove": ["PatientNam"]},
            "remove: 'PatientNam' is not the keyword of an attribute; did you mean PatientName?",
        ),
        (
            {"profile": ["clean_descriptors"], "words_file": "/no/file"},
            "words_file /no/file cannot",
        ),
    ],
)
def test_a_wrong_option(options: dict[str, Any], expected: str, key_file: str) -> None:
    with pytest.raises(ConfigError) as raised:
        profile_of({"key_file": key_file, **options})
    assert expected in str(raised.value)
    assert str(raised.value).startswith("deidentify: ")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("x", "pixels[1] must be a table with match and areas"),
        ({"match": {"Modality": "US"}, "area": []}, "pixels[1]: there is no 'area'; known: match"),
        ({"areas": []}, "pixels[1].match must be a table of attributes with patterns"),
        ({"match": {}, "areas": []}, "pixels[1].match must be a table of attributes"),
        (
            {"match": {"Modalty": "US"}, "areas": []},
            "pixels[1].match: 'Modalty' is not the keyword of an attribute; did you mean Modality?",
        ),
        ({"match": {"Modality": []}, "areas": []}, "match.Modality = []: it must be a text"),
        ({"match": {"Modality": "US"}}, "pixels[1].areas must be a list of [left, top, width"),
        (
            {"match": {"Modality": "US"}, "areas": [[0, 0, 5]]},
            "pixels[1].areas: [0, 0, 5] must be [left, top, width, height], four whole numbers",
        ),
        ({"match": {"Modality": "US"}, "areas": [[0, 0, -5, 1]]}, "[0, 0, -5, 1] must be [left"),
        ({"match": {"Modality": "US"}, "areas": [[0, 0, True, 1]]}, "must be [left"),
    ],
)
def test_a_wrong_rule_for_pixels(rule: Any, expected: str, key_file: str) -> None:
    with pytest.raises(ConfigError) as raised:
        profile_of({"key_file": key_file, "profile": ["clean_pixels"], "pixels": [rule]})
    assert expected in str(raised.value)


def test_a_key_is_demanded() -> None:
    with pytest.raises(ConfigError, match="key_file is missing: the path of a file"):
        profile_of({})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o660])
def test_a_key_that_others_can_read_is_refused(key_file: str, tmp_path: Path, mode: int) -> None:
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o} .* chmod 0600"):
        read_key(key_file)


def test_a_key_may_be_read_only(key_file: str, tmp_path: Path) -> None:
    (tmp_path / "key").chmod(0o400)
    assert read_key(key_file) == b"0123456789abcdef" * 4


def test_a_key_that_is_no_key_is_refused(key_file: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    with pytest.raises(ConfigError, match="has 5 bytes: it must have 32 or more"):
        read_key(key_file)
    with pytest.raises(ConfigError, match="No such file or directory; make one by"):
        read_key(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="is not a regular file"):
        read_key(str(tmp_path))
