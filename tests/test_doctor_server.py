"""What `doctor` finds out about the status server without starting or making anything."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from cli.doctor_checks import FAIL, OK, WARN, Patient
from cli.doctor_server import check_server
from core.accounts import AccountStore
from core.config import Config, ServerConfig


def patient(data_dir: Path, **fields: Any) -> Patient:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    config = Config(server=ServerConfig(**({"port": free} | fields)))
    return Patient(config, data_dir / "swing_config.json", data_dir)


@pytest.fixture
def user(data_dir: Path) -> None:
    store = AccountStore("", data_dir)
    store.add("ali")
    store.add("bea")
    store.revoke("bea")
    store.close()


def test_where_nobody_can_log_in_it_says_how_to_change_that(data_dir: Path) -> None:
    found = check_server(patient(data_dir))
    assert (found.status, found.mend) == (OK, "python3 run.py users add local")
    assert check_server(patient(data_dir, enabled=True)).status == WARN
    assert list(data_dir.iterdir()) == []


def test_users_who_were_revoked_do_not_count(data_dir: Path, user: None) -> None:
    found = check_server(patient(data_dir, enabled=True))
    assert found.status == OK
    assert found.text.endswith("log in: 1")


def test_a_port_in_use_is_told(data_dir: Path, user: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = check_server(patient(data_dir, port=taken.getsockname()[1]))
    assert found.status == WARN
    assert "in use" in found.text


def test_the_network_needs_users_and_tls(data_dir: Path) -> None:
    assert check_server(patient(data_dir, host="0.0.0.0")).status == FAIL
    store = AccountStore("", data_dir)
    store.add("ali")
    store.close()
    found = check_server(patient(data_dir, host="0.0.0.0"))
    assert found.status == WARN
    assert "TLS" in found.text


def test_a_certificate_that_is_none_is_told(data_dir: Path) -> None:
    found = check_server(patient(data_dir, tls_cert=str(data_dir / "nothing.pem")))
    assert found.status == FAIL
    assert "nothing.pem" in found.text
