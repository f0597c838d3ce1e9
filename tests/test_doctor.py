"""`doctor`: every check tells the truth about a good and a bad case, and none hides another."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import threading
from collections import namedtuple
from datetime import date

import msgspec
import pytest

from cli import doctor, doctor_checks
from cli.arguments import Options
from cli.doctor_checks import FAIL, OK, WARN, Check, Finding, Patient, run_check
from core.config import ChannelsConfig, Config, EmailConfig, RealTimeConfig, TelegramConfig, WebSocketConfig
from core.i18n import set_language, tr
from core.market_calendar import MarketCalendar
from tests.patience import FOREVER, PATIENCE


def patient(data_dir, config=None, **more) -> Patient:
    return Patient(config or Config(), data_dir / "swing_config.json", data_dir, **more)


def real_time(**fields) -> Config:
    return Config(real_time=RealTimeConfig(**fields))


@pytest.fixture
def refused_port():
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# The report as a whole


@pytest.fixture
def few_checks(monkeypatch):
    def choose(*findings: Finding) -> None:
        checks = [Check("clock", lambda _patient, finding=finding: finding) for finding in findings]
        monkeypatch.setattr(doctor, "all_checks", lambda _config: checks)

    return choose


@pytest.mark.parametrize(("status", "code"), [(OK, 0), (WARN, 0), (FAIL, 1)])
def test_the_exit_code_tells_whether_something_failed(status, code, few_checks, capsys):
    few_checks(Finding(OK, "fine"), Finding(status, "it is so", "do that"))
    assert doctor.run_doctor(Options(mode="doctor")) == code
    said = capsys.readouterr().out
    assert "it is so" in said
    assert "→ do that" in said


def test_the_report_is_in_the_language_of_the_settings(few_checks, tmp_path, capsys):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"language": "tr"}), "utf-8")
    few_checks(Finding(FAIL, "x"))
    doctor.run_doctor(Options(mode="doctor", config_path=path))
    assert "0 tamam, 0 dikkat, 1 sorun." in capsys.readouterr().out


def test_markup_in_a_path_is_shown_as_it_stands(few_checks, capsys):
    few_checks(Finding(OK, "C:\\[red]data[/]"))
    doctor.run_doctor(Options(mode="doctor"))
    assert "[red]data[/]" in capsys.readouterr().out


def test_a_check_that_breaks_is_a_failed_line_and_the_rest_go_on(data_dir):
    def broken(_patient: Patient) -> Finding:
        raise ValueError("inside")

    finding = run_check(Check("clock", broken), patient(data_dir))
    assert finding.status == FAIL
    assert "ValueError: inside" in finding.text


def test_the_whole_report_offline_on_this_computer(capsys, monkeypatch):
    monkeypatch.setattr(doctor_checks, "has_display", lambda: False)
    doctor.run_doctor(Options(mode="doctor", offline=True))
    said = capsys.readouterr().out
    for title in (
        "Versions",
        "Settings",
        "Data folder",
        "Database",
        "Holidays",
        "Source yfinance",
        "E-mail",
        "Fonts",
    ):
        assert title in said
    assert "itself failed" not in said


@pytest.mark.parametrize("language", ["en", "tr"])
def test_every_check_has_a_title_in_both_languages(language):
    set_language(language)
    for check in doctor_checks.all_checks(Config()):
        assert tr("doctor.title_" + check.name.partition(":")[0])


# Settings, folder, database


def test_all_problems_of_the_settings_are_shown_and_the_rest_goes_on(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"theme": "drak", "symbols": 3}', "utf-8")
    admitted = doctor.admit(Options(mode="doctor", config_path=path))
    finding = doctor_checks.check_config(admitted)
    assert finding.status == FAIL
    assert "theme" in finding.text
    assert "symbols" in finding.text
    assert admitted.config == Config()


def test_a_settings_file_that_is_not_there_is_said(tmp_path):
    admitted = doctor.admit(Options(mode="doctor", config_path=tmp_path / "none.json"))
    assert doctor_checks.check_config(admitted).status == FAIL


def test_good_settings_and_none_at_all_are_in_order(data_dir):
    someone = patient(data_dir)
    assert doctor_checks.check_config(someone) == Finding(OK, tr("doctor.config_defaults"))
    someone.config_path.write_text("{}", "utf-8")
    finding = doctor_checks.check_config(someone)
    assert finding.status == OK
    assert "30 symbols" in finding.text


def test_a_data_folder_that_cannot_be_written_to(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert doctor_checks.check_data_dir(patient(file)).status == FAIL


@pytest.mark.parametrize(("free", "status"), [(10e9, OK), (200e6, WARN), (10e6, FAIL)])
def test_a_full_disk_is_noticed(free, status, data_dir, monkeypatch):
    usage = namedtuple("usage", "total used free")(0, 0, int(free))
    monkeypatch.setattr(doctor_checks.shutil, "disk_usage", lambda _path: usage)
    assert doctor_checks.check_data_dir(patient(data_dir)).status == status


def test_the_database_is_read_and_never_made(data_dir):
    path = data_dir / "swing_hunter.db"
    assert doctor_checks.check_database(patient(data_dir)).status == OK
    assert not path.exists()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    assert doctor_checks.check_database(patient(data_dir)).status == OK
    path.write_bytes(b"this is not a database at all, but long enough to be read" * 40)
    finding = doctor_checks.check_database(patient(data_dir))
    assert finding.status == FAIL
    assert finding.mend


def test_a_database_elsewhere_is_tried(data_dir, monkeypatch):
    from core import storage
    from core.errors import StorageError

    config = msgspec.structs.replace(
        Config(), storage=msgspec.structs.replace(Config().storage, url="pg://h/db")
    )

    def refuse(url, folder):
        raise StorageError("The database does not answer.")

    monkeypatch.setattr(storage, "open_store", refuse)
    assert doctor_checks.check_database(patient(data_dir, config)).text == "The database does not answer."


# Calendars and clock


@pytest.mark.parametrize(("last", "status"), [("2099-12-31", OK), ("2020-01-01", FAIL)])
def test_holidays_that_run_out_are_said_in_time(last, status, data_dir, monkeypatch):
    day = date.fromisoformat(last)
    monkeypatch.setattr(MarketCalendar, "table_ends", lambda _self, code: None if code == "CRYPTO" else day)
    finding = doctor_checks.check_calendars(patient(data_dir))
    assert finding.status == status
    assert last in finding.text


def test_a_clock_before_the_program_was_written_is_wrong(data_dir, monkeypatch):
    assert doctor_checks.check_clock(patient(data_dir)).status == OK
    monkeypatch.setattr(doctor_checks.time, "time", lambda: 1_000_000_000.0)
    assert doctor_checks.check_clock(patient(data_dir)).status == FAIL


# Sources


def test_only_the_chosen_sources_are_tried():
    assert set(doctor_checks.source_endpoints(Config())) == {"tradingview", "tvdatafeed", "yfinance"}
    polled = Config(websocket=WebSocketConfig(enabled=False))
    assert set(doctor_checks.source_endpoints(polled)) == {"tvdatafeed", "yfinance"}
    assert set(doctor_checks.source_endpoints(real_time(live_data_source="yahoo"))) == {"yahoo"}
    assert set(doctor_checks.source_endpoints(real_time(live_data_source="yfinance"))) == {"yfinance"}
    assert doctor_checks.source_endpoints(real_time(live_data_source="simulation")) == {}


def test_a_source_that_takes_connections_and_one_that_does_not(data_dir, refused_port):
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = msgspec.structs.replace(
            real_time(yahoo_base=f"http://127.0.0.1:{refused_port}"),
            websocket=WebSocketConfig(endpoint=f"ws://127.0.0.1:{server.getsockname()[1]}/x"),
        )
        findings = {
            check.name: run_check(check, patient(data_dir, config))
            for check in doctor_checks.source_checks(config)
        }
        server.accept()[0].close()
    assert findings["source:tvdatafeed"].status == OK
    assert "prices were not asked for" in findings["source:tvdatafeed"].text
    assert findings["source:yfinance"].status == FAIL
    assert f"127.0.0.1:{refused_port}" in findings["source:yfinance"].text


def test_offline_tries_nothing(data_dir):
    for check in doctor_checks.source_checks(Config()):
        assert run_check(check, patient(data_dir, offline=True)) == Finding(WARN, tr("doctor.not_tried"))


def test_a_proxy_is_what_is_tried_where_there_is_one(monkeypatch):
    monkeypatch.setattr(doctor_checks.urllib.request, "getproxies", lambda: {"https": "proxy.example:3128"})
    monkeypatch.setattr(doctor_checks.urllib.request, "proxy_bypass", lambda host: host == "near.example")
    assert doctor_checks._target("https://far.example/x") == ("proxy.example", 3128, True)
    assert doctor_checks._target("https://near.example/x") == ("near.example", 443, False)
    assert doctor_checks._target("ws://far.example:81/x") == ("far.example", 81, False)


def test_a_name_lookup_that_hangs_is_given_up():
    release = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        doctor_checks.within(0.05, lambda: release.wait(FOREVER))
    release.set()
    assert doctor_checks.within(PATIENCE, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        doctor_checks.within(PATIENCE, lambda: 1 / 0)


# Channels


def test_channels_that_are_off_or_not_tried(data_dir):
    assert doctor_checks.check_telegram(patient(data_dir)).status == OK
    on = real_time(
        notification_channels=ChannelsConfig(telegram=True),
        telegram=TelegramConfig(enabled=True, chat_id="1"),
    )
    assert doctor_checks.check_telegram(patient(data_dir, on, offline=True)).status == WARN


def test_a_channel_that_is_on_but_wrong_is_explained(data_dir, refused_port):
    on = real_time(
        notification_channels=ChannelsConfig(telegram=True, email=True),
        telegram=TelegramConfig(
            enabled=True, chat_id="1", bot_token="12345678:" + "A" * 35,
            api_base=f"http://127.0.0.1:{refused_port}",
        ),
        email=EmailConfig(
            enabled=True, host="127.0.0.1", port=refused_port, security="none", sender="a@b.example",
            recipients=("c@d.example",),
        ),
    )  # fmt: skip
    for check in (doctor_checks.check_telegram, doctor_checks.check_email):
        finding = check(patient(data_dir, on))
        assert finding.status == FAIL
        assert "real_time." in finding.mend
        assert "A" * 35 not in finding.text


# Window, fonts, set-up, versions


def test_a_window_can_open_here(data_dir):
    finding = doctor_checks.check_display(patient(data_dir))
    assert finding == Finding(OK, tr("doctor.display_ok", platform="offscreen"))


def test_no_display_missing_libraries_and_a_qt_that_fails_are_told_apart(data_dir, monkeypatch):
    someone = patient(data_dir)
    with monkeypatch.context() as patch:
        patch.setattr(doctor_checks, "has_display", lambda: False)
        assert doctor_checks.check_display(someone).status == WARN
    broken = subprocess.CompletedProcess([], 134, "", "could not connect to display\nmore")
    with monkeypatch.context() as patch:
        patch.setattr(doctor_checks.system, "missing_qt_libraries", lambda _pyqt: set())
        patch.setattr(doctor_checks.subprocess, "run", lambda *_args, **_more: broken)
        finding = doctor_checks.check_display(someone)
        assert finding.status == FAIL
        assert "could not connect to display" in finding.text
    monkeypatch.setattr(doctor_checks.system, "on_linux", lambda: True)
    monkeypatch.setattr(doctor_checks.system, "missing_qt_libraries", lambda _pyqt: {"libGL.so.1"})
    finding = doctor_checks.check_display(someone)
    assert finding.status == FAIL
    assert "libGL.so.1" in finding.text
    assert finding.mend


def test_missing_fonts_come_with_the_command(data_dir, monkeypatch):
    monkeypatch.setattr(doctor_checks.system, "on_linux", lambda: True)
    monkeypatch.setattr(doctor_checks.system, "has_fonts", lambda: False)
    finding = doctor_checks.check_fonts(patient(data_dir))
    assert finding.status == WARN
    assert finding.mend


def test_packages_other_than_the_pinned_ones_are_named(data_dir, monkeypatch):
    assert doctor_checks.check_versions(patient(data_dir)).status == OK

    def version(name: str) -> str:
        if name == "msgspec":
            raise doctor_checks.metadata.PackageNotFoundError(name)
        return "0.0"

    monkeypatch.setattr(doctor_checks.metadata, "version", version)
    finding = doctor_checks.check_versions(patient(data_dir))
    assert finding.status == FAIL
    assert "msgspec - (0.22.0)" in finding.text


def test_an_unfinished_set_up_is_noted(data_dir, monkeypatch):
    monkeypatch.setattr(doctor_checks.Environment, "missing", lambda _self: ("program",))
    assert doctor_checks.check_setup(patient(data_dir)).status == WARN
    monkeypatch.setattr(doctor_checks.Environment, "missing", lambda _self: ())
    assert doctor_checks.check_setup(patient(data_dir)).status == OK
