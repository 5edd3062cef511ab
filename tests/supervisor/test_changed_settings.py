"""What differs between two configurations, and what of it a running gateway can take."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from gateway.policy_settings import PolicyRule
from gateway.settings import (
    CoerceRule,
    CoerceSettings,
    Destination,
    DicomWebSettings,
    RetentionSettings,
    Settings,
    WorkerTable,
)
from gateway.supervisor.changed_settings import compare

BASE = Settings()


def changed(table: str, **values: object) -> Settings:
    return replace(BASE, **{table: replace(getattr(BASE, table), **values)})


def test_the_same_changes_nothing() -> None:
    way = compare(BASE, Settings())
    assert way.settings == BASE
    assert not any((way.changed, way.waiting, way.added, way.removed, way.replaced))


@pytest.mark.parametrize(
    ("new", "name"),
    [
        (changed("policy", rules=(PolicyRule(calling=("CT1",)),)), "policy.rules"),
        (changed("limits", identifier=70_000), "limits.identifier"),
        (changed("association", max_associations=7), "association.max_associations"),
        (changed("tls", certificate="a.pem"), "tls.certificate"),
        (changed("spool", refuse_below=7), "spool.refuse_below"),
        (changed("log", level="error"), "log.level"),
        (changed("web", port=7), "web.port"),
        (changed("gateway", drain_timeout=7.0), "gateway.drain_timeout"),
        (changed("retention", max_age=7.0), "retention.max_age"),
        (changed("dicomweb", port=7), "dicomweb.port"),  # its worker does not run
        (replace(BASE, destinations={"PACS": Destination("a", 104)}), "destinations.PACS"),
    ],
)
def test_what_takes_effect_at_once(new: Settings, name: str) -> None:
    way = compare(BASE, new)
    assert (way.settings, way.changed, way.waiting) == (new, (name,), ())


@pytest.mark.parametrize(
    ("new", "name"),
    [
        (changed("gateway", port=7), "gateway.port"),
        (changed("gateway", ae_title="OTHER"), "gateway.ae_title"),
        (changed("gateway", acceptors=2), "gateway.acceptors"),
        (changed("fabric", queue=7), "fabric.queue"),
        (changed("archive", dsn="dbname=x"), "archive.dsn"),
        (changed("log", format="json"), "log.format"),
        (changed("spool", inline_max=7), "spool.inline_max"),
        (changed("commitment", most_open=7), "commitment.most_open"),
        (changed("transcoding", processes=2), "transcoding.processes"),
        (replace(BASE, workers=BASE.workers | {"web": WorkerTable(processes=2)}), "workers.web"),
    ],
)
def test_what_has_to_wait_keeps_its_value(new: Settings, name: str) -> None:
    way = compare(BASE, new)
    assert (way.settings, way.changed, way.waiting) == (BASE, (), (name,))


def test_workers_come_go_and_are_replaced() -> None:
    old = replace(BASE, workers=BASE.workers | {"old": WorkerTable()})
    off = {"web": WorkerTable(enabled=False), "query": WorkerTable(concurrency=2)}
    new = replace(BASE, workers=BASE.workers | off | {"mine": WorkerTable(worker="mine:worker")})
    way = compare(old, new)
    assert (way.added, way.removed, way.replaced) == (("mine",), ("web", "old"), ("query",))


def test_a_worker_that_is_added_takes_the_table_that_comes_with_it() -> None:
    with_it = replace(BASE, workers=BASE.workers | {"dicomweb": WorkerTable()})
    way = compare(BASE, replace(with_it, dicomweb=DicomWebSettings(port=7)))
    assert (way.settings.dicomweb.port, way.waiting, way.added) == (7, (), ("dicomweb",))
    way = compare(with_it, replace(with_it, dicomweb=DicomWebSettings(port=7)))
    assert (way.settings, way.waiting) == (with_it, ("dicomweb.port",))


def test_another_retention_replaces_its_worker() -> None:
    old = replace(BASE, workers=BASE.workers | {"retention": WorkerTable()})
    way = compare(old, replace(old, retention=RetentionSettings(max_age=7.0)))
    assert (way.changed, way.replaced) == (("retention.max_age",), ("retention",))


def test_each_setting_is_decided() -> None:
    """A new table of the settings has to be thought of here."""
    tables = {one.name for one in fields(Settings)}
    assert tables == {
        *("gateway", "tls", "association", "limits", "policy", "spool", "fabric", "log"),
        *("archive", "commitment", "dicomweb", "forward", "retention", "web", "workers"),
        *("destinations", "coerce", "transcoding"),
    }


def test_other_rules_of_coercion_replace_its_worker() -> None:
    old = replace(BASE, workers=BASE.workers | {"coerce": WorkerTable()})
    rules = (CoerceRule(remove=("PatientName",)),)
    way = compare(old, replace(old, coerce=CoerceSettings(rules=rules)))
    assert (way.changed, way.waiting, way.replaced) == (("coerce.rules",), (), ("coerce",))
