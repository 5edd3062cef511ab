from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError
from gateway.settings import ArchiveSettings
from workers.archive.objects.object_place import folder_of, place_of

if TYPE_CHECKING:
    from pathlib import Path


def settings(**more: str) -> ArchiveSettings:
    return ArchiveSettings(store="s3://images/a/b", holder="ONE", **more)


def test_no_store() -> None:
    assert place_of(ArchiveSettings()) is None


def test_bucket_prefix_and_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    found = place_of(settings())
    assert found is not None
    assert (found.bucket, found.prefix, found.holder, found.key_id) == (
        "images",
        "a/b",
        "ONE",
        "id",
    )
    assert found.url == "s3://images/a/b"
    assert "hidden" not in repr(found)


def test_a_file_with_the_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("# of the site\nexport AWS_ACCESS_KEY_ID = one\nAWS_SECRET_ACCESS_KEY=two\n")
    found = place_of(settings(store_credentials=str(file)))
    assert found is not None
    assert (found.key_id, found.secret) == ("one", "two")


@pytest.mark.parametrize(
    ("content", "text"), [(None, "cannot be read: No such file"), ("nothing", "needs the lines")]
)
def test_a_file_without_a_key(tmp_path: Path, content: str | None, text: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=text):
        place_of(settings(store_credentials=str(file)))


@pytest.mark.parametrize("text", ["s3://", "images", "s3://Images", "s3://images//x", "s3://a"])
def test_what_is_no_store(text: str) -> None:
    with pytest.raises(ConfigError, match=r"it must be s3://BUCKET or s3://BUCKET/PREFIX"):
        place_of(ArchiveSettings(store=text))


def test_an_ae_title_as_part_of_a_key() -> None:
    assert folder_of("ONE_a-1") == "ONE_a-1"
    assert folder_of("A/B ..") == "A=2FB=20=2E=2E"
    assert folder_of("") == "gateway"
