import importlib
import sys

import pytest

from gateway import Worker
from gateway.errors import ConfigError
from gateway.sdk import loading

SOURCE = """
from gateway import Worker
worker = Worker("mine")
class house:
    second = Worker("second")
def function(): pass
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that can be imported under a name of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(source, name="their_worker"):
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return name

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def error_of(target):
    with pytest.raises(ConfigError) as caught:
        loading.load(target)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_worker_by_module_and_attribute(module):
    name = module(SOURCE)
    assert loading.load(f"{name}:worker").name == "mine"
    assert loading.load(f"{name}:house.second").name == "second"


class Point:
    name, value = "theirs", "their_worker:worker"


def test_a_worker_by_entry_point(module, monkeypatch):
    module(SOURCE)
    monkeypatch.setattr(loading, "entry_points", lambda group: [Point] if group else [])
    assert loading.load("theirs").name == "mine"
    assert error_of("ours") == (
        "no worker 'ours': the entry points of dicom_gateway.workers are theirs; "
        "a worker of your own is MODULE:ATTRIBUTE"
    )


def test_no_entry_point_at_all(monkeypatch):
    monkeypatch.setattr(loading, "entry_points", lambda group: [])
    assert "are none" in error_of("ours")


@pytest.mark.parametrize("target", [":worker", "module:", ":"])
def test_half_a_target(target):
    assert "must be MODULE:ATTRIBUTE" in error_of(target)


def test_a_module_that_is_not_there(module, tmp_path):
    module("", "package")
    assert "module 'nowhere_to_be_found' not found" in error_of("nowhere_to_be_found:worker")
    assert str(tmp_path) in error_of("nowhere_to_be_found:worker")
    assert "module 'nowhere' not found" in error_of("nowhere.sub:worker")


def test_a_module_that_misses_another(module):
    name = module("import os\nimport nowhere_to_be_found\n")
    text = error_of(f"{name}:worker")
    assert text.startswith(f"module {name!r} cannot be imported: ")
    assert f"{name}.py:2: ModuleNotFoundError: No module named 'nowhere_to_be_found'" in text


def test_a_module_that_raises(module):
    name = module("def go():\n    raise ValueError('no database')\ngo()\n")
    assert f"{name}.py:2: ValueError: no database" in error_of(f"{name}:worker")
    name = module("raise SystemExit('stop')", "leaving")
    assert f"{name}.py:1: SystemExit: stop" in error_of(f"{name}:worker")


def test_a_module_that_is_no_python(module):
    name = module("x = 1\ndef :\n")
    assert f"{name}.py:2: SyntaxError: " in error_of(f"{name}:worker")


def test_a_bind_that_cannot_work_names_its_line(module):
    name = module(
        "from gateway import Worker, evt\n"
        "worker = Worker('w')\n"
        "worker.bind(evt.EVT_C_STORE, lambda: 0)\n"
    )
    text = error_of(f"{name}:worker")
    assert f"{name}.py:3: TypeError: " in text
    assert "cannot be called as" in text


def test_an_attribute_that_is_missing(module):
    name = module(SOURCE)
    assert error_of(f"{name}:wroker") == (
        f"module {name!r} has no attribute 'wroker'; its workers are worker"
    )
    name = module("", "empty")
    assert "its workers are none" in error_of(f"{name}:worker")


def test_what_is_no_worker(module):
    name = module(SOURCE)
    assert error_of(f"{name}:function") == f"{name}:function is a function, not a Worker"
    assert error_of(f"{name}:Worker") == f"{name}:Worker is a type, not a Worker"
    assert Worker
