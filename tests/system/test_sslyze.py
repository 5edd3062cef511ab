"""sslyze against acceptor and page: it finds what the profile says, and nothing weak."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.conftest import running
from tests.patience import WALL
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from pathlib import Path

OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
WEAK = ("CBC", "RC4", "3DES", "NULL", "EXPORT", "anon", "TLS_RSA_")


def test_sslyze_agrees_with_the_profile(tmp_path: Path) -> None:
    own, port = tmp_path / "own.pem", free_port()
    made = trustme.CA().issue_cert("127.0.0.1", "localhost")
    made.private_key_and_cert_chain_pem.write_to_path(own)
    config = (
        f'[tls]\ncertificate = "{own}"\n'
        f'[workers.web]\n[web]\nport = {port}\ncertificate = "{own}"\n'
    )
    with running(config) as gateway:
        host, dicom_port = gateway.address
        gateway.program.out.wait_for("page for operators: https://")
        results = scan(tmp_path / "report.json", f"{host}:{dicom_port}", f"{host}:{port}")
    assert len(results) == 2
    for one in results:
        assert one["connectivity_status"] == "COMPLETED", one["connectivity_error_trace"]
        found = one["scan_result"]
        for version in OLD:
            assert suites(found, version) == [], version
        assert suites(found, "tls_1_3")
        names = suites(found, "tls_1_2")
        assert names
        assert all(name.startswith("TLS_ECDHE_") for name in names), names
        assert not [name for name in names for word in WEAK if word in name]
        for attack, verdict in (
            ("heartbleed", "is_vulnerable_to_heartbleed"),
            ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection"),
            ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos"),
            ("tls_compression", "supports_compression"),
        ):
            assert found[attack]["result"][verdict] is False, attack
        assert found["session_renegotiation"]["result"]["supports_secure_renegotiation"]


pytestmark = [pytest.mark.peer("sslyze"), pytest.mark.slow]


def scan(report: Path, *servers: str) -> list[dict]:
    checks = ("--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3")
    attacks = ("--heartbleed", "--openssl_ccs", "--reneg", "--compression")
    command = ["sslyze", *checks, *attacks, "--json_out", str(report), "--slow_connection"]
    # its exit status says whether Mozilla's profile is met, which is not what is asked here
    subprocess.run([*command, *servers], capture_output=True, timeout=WALL, check=False)
    results: list[dict] = json.loads(report.read_text())["server_scan_results"]
    return results


def suites(found: dict, version: str) -> list[str]:
    result = found[f"{version}_cipher_suites"]["result"]
    return [one["cipher_suite"]["name"] for one in result["accepted_cipher_suites"]]
