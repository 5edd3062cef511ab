"""Fixtures and hooks for all tests: peers that may be absent, running gateways, instances."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.patience import PATIENCE
from tests.peers import dcmtk, instances, orthanc, reactors, reencoders
from tests.peers.process import Gateway

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PEERS_REQUIRED = os.environ.get("DICOM_GATEWAY_REQUIRE_PEERS") == "1"
for _name in [name for name in os.environ if name.startswith("DICOM_GATEWAY_")]:
    # Gateways read settings from variables with this prefix: tests must not inherit any.
    del os.environ[_name]

_DCMTK_TOOLS = ("echoscu", "storescu", "storescp", "dcmftest", "dcmdump")

FAST_ASSOCIATION = f"""
[association]
artim_timeout = {0.5 * PATIENCE}
acse_timeout = {1.0 * PATIENCE}
dimse_timeout = {1.0 * PATIENCE}
network_timeout = {2.0 * PATIENCE}
"""


def _absent(peer: str) -> str:
    """Return why a peer cannot be used; empty if it can."""
    if peer == "dcmtk":
        missing = [tool for tool in _DCMTK_TOOLS if dcmtk.find(tool) is None]
        return f"DCMTK is not installed (no {', '.join(missing)})" if missing else ""
    if peer == "dcmjs-dimse":
        return "" if reencoders.node_modules() else "dcmjs-dimse is not installed (npm)"
    if peer == "orthanc-dicomweb":
        return "" if orthanc.PLUGIN.exists() else "Orthanc's DICOMweb plugin is not installed"
    return "" if shutil.which(peer) else f"{peer} is not installed"


# Both of Hypothesis's measurements of time fail on a busy machine.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells make background commands ignore SIGINT. The programs under test would inherit this, and
    # ignore it as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

reactors.close_sockets()


def pytest_configure() -> None:
    """Let gateways of tests take SIGHUP, also if the tests run under nohup and it is ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Accept pyproject's options of pytest-xdist without pytest-xdist, for `-p no:xdist`."""
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption("--numprocesses", help="ignored: pytest-xdist is not loaded")
        parser.addoption("--dist", help="ignored: pytest-xdist is not loaded")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run tests that are named by their files or one by one in this process."""
    return 0 if all(".py" in name for name in config.args) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Multiply the timeout of each test by the load of the machine."""
    if config.getoption("timeout", None) is None:
        for item in items:
            marker = item.get_closest_marker("timeout")
            seconds = float(marker.args[0] if marker else config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds * PATIENCE), append=False)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        if reason := _absent(marker.args[0]):
            if PEERS_REQUIRED:
                pytest.fail(f"{reason}, and DICOM_GATEWAY_REQUIRE_PEERS=1", pytrace=False)
            pytest.skip(reason)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for Unix sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="gw-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, object]:
    """Show the output of a test's gateways when it fails."""
    outcome = yield
    if outcome.failed:
        for value in getattr(item, "funcargs", {}).values():
            found = value.started if isinstance(value, Starter) else [value]
            outcome.sections += [
                ("gateway", one.program.report()) for one in found if isinstance(one, Gateway)
            ]
    return outcome


@contextmanager
def running(
    config: str = "", options: tuple[str, ...] = (), *, reads_log: bool = True
) -> Iterator[Gateway]:
    """A running gateway that must end with status 0 and leave no child behind."""
    with short_folder() as folder:
        gateway = Gateway(folder, config=config, options=options, reads_log=reads_log)
        try:
            yield gateway
            status = gateway.stop()
            assert status == 0, f"exit status {status}\n{gateway.program.report()}"
        finally:
            gateway.close()


class Starter:
    """Starts gateways with their own configurations."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.started: list[Gateway] = []

    def __call__(self, config: str = "", *options: str) -> Gateway:
        gateway = self._stack.enter_context(running(config, options))
        self.started.append(gateway)
        return gateway


@pytest.fixture
def start_gateway() -> Iterator[Starter]:
    """A function of TOML text and options of `serve`; its gateways are stopped at the end."""
    with ExitStack() as stack:
        yield Starter(stack)


@pytest.fixture(scope="module")
def gateway_process() -> Iterator[Gateway]:
    """One gateway with default settings for all tests of a module."""
    with running() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def fast_gateway() -> Iterator[Gateway]:
    """One gateway with short timeouts for all tests of a module."""
    with running(FAST_ASSOCIATION) as gateway:
        yield gateway


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder with a short path."""
    with short_folder() as path:
        yield path


@pytest.fixture(scope="session")
def thousand() -> list[instances.Instance]:
    """1,000 small CT instances, explicit VR little endian."""
    return instances.many(1000)


@pytest.fixture(scope="session")
def thousand_folder(
    thousand: list[instances.Instance], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The 1,000 instances as files in a tree of folders."""
    return instances.write_folder(tmp_path_factory.mktemp("thousand"), thousand)
