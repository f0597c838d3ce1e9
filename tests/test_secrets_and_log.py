"""Secrets stay secret, the log never stands in the way, and directories are told clearly."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import types
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import log_setup, paths, secrets
from core.errors import StorageError, UserError
from core.log_setup import LOG_NAME, LogSetup, setup_logging
from core.secrets import (
    MASK,
    RedactingFilter,
    Redactor,
    ask_keyring,
    find_secret,
    masked,
    redactor,
    secret_exists,
)
from tests.patience import FOREVER, PATIENCE

TOKEN = "987654321:AAH-abcdefghijklmnopqrstuvwxyz_12345"
NAME = "telegram_bot_token"
log = logging.getLogger("tests.secrets")


class FakeKeyring(types.ModuleType):
    """The keyring package with one answer, or one fault."""

    def __init__(self, answer: str | None = None, error: Exception | None = None) -> None:
        super().__init__("keyring")
        self.answer, self.error, self.asked = answer, error, 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def get_password(self, service: str, name: str) -> str | None:
        assert (service, name) == ("SwingHunter", NAME)
        self.asked += 1
        self.may_answer.wait(FOREVER)
        if self.error:
            raise self.error
        return self.answer


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Replace the keyring by another one."""
    errors = types.ModuleType("keyring.errors")
    errors.NoKeyringError = type("NoKeyringError", (RuntimeError,), {})  # type: ignore[attr-defined]

    def replace(keyring: FakeKeyring) -> FakeKeyring:
        monkeypatch.setitem(sys.modules, "keyring", keyring)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)
        return keyring

    yield replace


def test_the_environment_comes_first_then_the_file_then_the_keyring(
    put, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = put(FakeKeyring("from the keyring"))
    monkeypatch.setenv("SWING_TELEGRAM_BOT_TOKEN", "from the environment")
    assert find_secret(NAME, "from the file") == "from the environment"
    monkeypatch.delenv("SWING_TELEGRAM_BOT_TOKEN")
    assert find_secret(NAME, "from the file") == "from the file"
    assert keyring.asked == 0
    assert find_secret(NAME) == "from the keyring"
    assert redactor.mask("it is from the keyring!") == f"it is {MASK}!"


def test_a_keyring_that_fails_is_no_keyring(
    put, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(FakeKeyring(error=RuntimeError("the secret is hunter2")))
    assert (find_secret(NAME), secret_exists(NAME)) == ("", None)
    assert "hunter2" not in caplog.text
    put(FakeKeyring(error=sys.modules["keyring.errors"].NoKeyringError()))
    assert secret_exists(NAME) is False
    put(FakeKeyring(answer=None))
    assert secret_exists(NAME) is False
    assert secret_exists(NAME, "x") is True
    assert secret_exists(NAME, ask=False) is None
    monkeypatch.setitem(sys.modules, "keyring", None)  # not installed
    assert ask_keyring(NAME) == ""


@pytest.mark.allow_log("did not answer")
def test_a_locked_keyring_never_blocks(put) -> None:
    keyring = put(FakeKeyring("late"))
    keyring.may_answer.clear()
    assert find_secret(NAME, timeout=0.05) == ""
    assert ask_keyring(NAME, FOREVER) is None  # the first question is still open: no second one
    assert keyring.asked == 1
    thread = next(thread for thread in threading.enumerate() if thread.name == "keyring")
    keyring.may_answer.set()
    thread.join(PATIENCE)
    assert find_secret(NAME) == "late"


@pytest.mark.parametrize("text", [
    f"POST https://api.telegram.org/bot{TOKEN}/sendMessage", "GET http://127.0.0.1/bot42:TEST/getMe", TOKEN,
    "postgresql://user:hunter2@db/x", "https://u:p@ss@hunter2@host/", "Authorization: Bearer hunter2hunter2",
    '{"password": "hunter2"}', "bot_token='hunter2'", "https://x/?api_key=hunter2&a=1",
    "EmailConfig(password='hunter2', a=1)",
])  # fmt: skip
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    result = Redactor().mask(text)
    assert MASK in result
    for secret in ("hunter2", TOKEN, "42:TEST"):
        assert secret not in result


def test_ordinary_text_is_left_alone() -> None:
    text = 'token missing: set "SWING_TELEGRAM_BOT_TOKEN"; wss://a.b 14:30:45 BIST:A 1795000000:5'
    assert Redactor().mask(text) == text


@given(st.text(min_size=4, max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_a_known_secret_never_gets_through(secret: str, before: str, after: str) -> None:
    own = Redactor()
    own.learn(secret, "abc")
    if secret not in MASK:
        assert secret not in own.mask(before + secret + after).replace(MASK, "")
        assert secret not in own.mask(repr([secret])).replace(MASK, "")
    assert own.mask("abc") == "abc" or secret in "abc"


def test_a_configuration_is_learnt_and_masked_whole() -> None:
    data = {
        "email": {"password": "s3cret-pass"},
        "server": {"tokens": ["s3cret-one", {"x": "s3cret-two"}]},
        "a": 1,
    }
    own = Redactor()
    own.learn_from(data)
    assert own.mask("s3cret-pass s3cret-one s3cret-two") == f"{MASK} {MASK} {MASK}"
    assert masked(data) == {"email": {"password": MASK}, "server": {"tokens": [MASK, {"x": MASK}]}, "a": 1}


# ---------------------------------------------------------------- the log


@pytest.fixture
def logs(data_dir: Path) -> Iterator[LogSetup]:
    setup = setup_logging(data_dir)
    yield setup
    setup.close()


def content(setup: LogSetup) -> str:
    assert setup.path is not None
    return setup.path.read_text("utf-8")


def crash(secret: str) -> None:
    raise RuntimeError(f"refused {secret}")


def test_the_log_holds_no_secret_in_message_traceback_or_stack(logs: LogSetup) -> None:
    redactor.learn("hunter2-known")
    log.info("url %s and %s", f"https://api.telegram.org/bot{TOKEN}/x", "hunter2-known")
    try:
        crash(TOKEN + " hunter2-known")
    except RuntimeError:
        log.info("it failed", exc_info=True, stack_info=True)
    log.info("bad %d arguments %s", "x")  # noqa: PLE1206 - the fault under test
    log.info(RuntimeError("hunter2-known"))
    text = content(logs)
    assert "it failed" in text
    assert "in crash" in text  # the traceback is there
    assert "bad %d arguments" in text
    assert TOKEN not in text
    assert "hunter2-known" not in text


def test_a_filter_keeps_a_traceback_that_was_formatted_before() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "m", None, None)
    record.exc_text = f"formatted {TOKEN}"
    record.stack_info = f"stack {TOKEN}"
    assert RedactingFilter().filter(record)
    assert TOKEN not in f"{record.exc_text} {record.stack_info}"


def test_levels_and_talkative_libraries(logs: LogSetup) -> None:
    log.debug("hidden")
    logging.getLogger("urllib3").info("hidden too")
    logs.set_level("INFO", debug=True)
    log.debug("shown")
    logging.getLogger("urllib3").info("shown too")
    assert "hidden" not in content(logs)
    assert "shown too" in content(logs)


def test_closing_takes_everything_back(data_dir: Path) -> None:
    before = (
        logging.getLogger().handlers[:],
        logging.getLogger().level,
        sys.excepthook,
        threading.excepthook,
    )
    setup = setup_logging(data_dir, "DEBUG")
    setup.catch_crashes()
    setup.close()
    setup.close()
    after = (logging.getLogger().handlers, logging.getLogger().level, sys.excepthook, threading.excepthook)
    assert after == before


def test_the_log_rotates(data_dir: Path) -> None:
    setup = LogSetup(data_dir / LOG_NAME, "")
    setup.add(log_setup.SafeFileHandler(data_dir / LOG_NAME, logging.NullHandler(), max_bytes=200))
    setup.set_level("INFO")
    for number in range(20):
        log.info("line %d %s", number, "x" * 50)
    setup.close()
    assert (data_dir / f"{LOG_NAME}.1").exists()
    assert len(list(data_dir.iterdir())) <= 6


@pytest.mark.allow_log("cannot be written")
def test_a_directory_that_cannot_be_written_sends_the_log_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    setup = setup_logging(tmp_path / "none")
    log.info("still logged %s", TOKEN)
    setup.close()
    assert setup.path is None
    assert "the folder does not exist" in setup.warning
    assert "still logged" in terminal.getvalue()
    assert TOKEN not in terminal.getvalue()


def test_without_a_directory_or_a_terminal_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    setup = setup_logging(None)
    log.info("into the void")
    setup.close()
    assert setup.warning == ""


def test_the_terminal_may_get_the_log_too(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    setup = setup_logging(data_dir, console=True)
    log.info("twice")
    setup.close()
    assert "twice" in terminal.getvalue()
    assert "twice" in content(setup)


def test_a_disk_that_fills_up_costs_no_record_and_heals(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    setup = setup_logging(data_dir)
    log.info("before")
    flush = RotatingFileHandler.flush

    def full(self: RotatingFileHandler) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RotatingFileHandler, "flush", full)
    log.info("during one %s", TOKEN)
    log.info("during two")
    monkeypatch.setattr(RotatingFileHandler, "flush", flush)
    log.info("after")
    setup.close()
    said = terminal.getvalue()
    assert "during one" in said and "during two" in said
    assert said.count("the disk is full") == 1
    assert TOKEN not in said
    assert "after" in content(setup)
    assert "can be written again" in content(setup)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only on Linux")
def test_a_disk_that_is_full_from_the_start(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    (data_dir / LOG_NAME).symlink_to("/dev/full")
    setup = setup_logging(data_dir)
    log.info("kept")
    setup.close()
    assert "kept" in terminal.getvalue()


def test_our_own_bug_in_a_log_call_is_shown_in_logging_s_way(
    logs: LogSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)

    def broken(self: logging.Formatter, record: logging.LogRecord) -> str:
        raise ValueError("a broken formatter")

    handler = next(
        each for each in logging.getLogger().handlers if isinstance(each, log_setup.SafeFileHandler)
    )
    monkeypatch.setattr(handler.formatter, "format", types.MethodType(broken, handler.formatter))
    log.info("x")
    assert "a broken formatter" in terminal.getvalue()


@pytest.mark.allow_log("nobody caught", "could not be shown")
def test_what_nobody_catches_is_logged_and_shown(logs: LogSetup) -> None:
    seen: list[BaseException] = []
    logs.catch_crashes(seen.append)
    thread = threading.Thread(target=crash, args=(TOKEN,), name="worker-7")
    thread.start()
    thread.join()
    quiet = threading.Thread(target=sys.exit)
    quiet.start()
    quiet.join()
    error = ValueError("in the main thread")
    sys.excepthook(ValueError, error, None)
    assert [str(each) for each in seen] == [f"refused {TOKEN}", "in the main thread"]
    logs.catch_crashes(lambda error: crash("twice"))
    sys.excepthook(ValueError, error, None)
    text = content(logs)
    assert "worker-7" in text
    assert "in the main thread" in text
    assert "could not be shown" in text
    assert TOKEN not in text


def test_ctrl_c_is_no_crash(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda *args: seen.append(args[0]))
    setup = setup_logging(data_dir)
    setup.catch_crashes()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    setup.close()
    assert seen == [KeyboardInterrupt]
    assert content(setup) == ""


# ---------------------------------------------------------------- directories


def test_where_the_data_lies(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.resolve_data_dir(home / "x") == home / "x"
    assert paths.resolve_data_dir() == Path(os.environ["SWING_DATA_DIR"])
    monkeypatch.delenv("SWING_DATA_DIR")
    assert paths.resolve_data_dir().is_relative_to(home)
    assert paths.resolve_data_dir().name == "SwingHunter"
    assert paths.resolve_data_dir("~/y") == home / "y"
    assert paths.resolve_data_dir("relative").is_absolute()


def test_the_data_directory_is_made_and_tried(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    assert paths.prepare_data_dir(target) == target
    assert list(target.iterdir()) == []
    blocked = tmp_path / "file"
    blocked.write_text("x")
    for path in (blocked, blocked / "below"):
        with pytest.raises(StorageError, match="--data-dir"):
            paths.prepare_data_dir(path)


def test_a_read_only_directory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(paths.tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(StorageError, match="read-only"):
        paths.prepare_data_dir(tmp_path)


def test_which_configuration_is_read_and_where_it_is_written(data_dir: Path, tmp_path: Path) -> None:
    given_file = tmp_path / "mine.json"
    with pytest.raises(UserError, match=r"mine\.json"):
        paths.resolve_config_path(given_file, data_dir)
    given_file.write_text("{}")
    assert paths.resolve_config_path(str(given_file), data_dir) == given_file
    assert paths.config_target(given_file, data_dir) == given_file
    own = data_dir / "swing_config.json"
    assert paths.resolve_config_path(None, data_dir) == paths.SHIPPED_CONFIG
    assert paths.config_target(paths.SHIPPED_CONFIG, data_dir) == own
    own.write_text("{}")
    assert paths.resolve_config_path(None, data_dir) == own
    assert paths.config_target(own, data_dir) == own
    assert secrets.environment_name(NAME) == "SWING_TELEGRAM_BOT_TOKEN"


_PIECES = st.sampled_from(
    ["://", ":", "=", "@", "/bot", "bot", "Basic ", "BEARER\t", "swing_", "password", "api_key", "token", "'",
     '"', "12345678", "abcdefghijklmnopqrstuvwxyz", "x", " ", "https", "\u0130", "\u017f"],
)  # fmt: skip


@given(st.lists(_PIECES | st.text(max_size=3), max_size=9).map("".join))
def test_the_quick_look_overlooks_no_secret(text):
    thorough = text
    for pattern, replacement in secrets._PATTERNS:
        thorough = pattern.sub(replacement, thorough)
    assert Redactor().mask(text) == thorough
