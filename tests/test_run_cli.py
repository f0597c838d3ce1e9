"""The command line: what it accepts, what it says to the rest, and where it leads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.environment import CODE_DIR
from cli import main as cli_main
from cli.arguments import Options, ServeOptions, parse
from core.config import Problem
from core.errors import ConfigError, StorageError


@pytest.fixture
def turkish(monkeypatch):
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")


@pytest.fixture
def led_to(monkeypatch):
    """Where the dispatch leads, instead of going there."""
    seen: list[Options] = []

    def go(options: Options) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(cli_main, "_run_mode", go)
    return seen


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", Options()),
        ("--demo --for 3", Options(demo=True, duration=3.0)),
        ("--headless", Options(mode="headless", headless=True)),
        (
            "--config a.json --data-dir=b",
            Options(config_path=Path("a.json"), data_dir=Path("b")),
        ),
        ("bench", Options(mode="bench")),
        ("bench engine table", Options(mode="bench", names=("engine", "table"))),
        ("doctor --offline", Options(mode="doctor", offline=True)),
        ("serve --demo", Options(mode="serve", demo=True)),
        (
            "serve --host 0.0.0.0 --port 0 --no-engine --tls-cert c --tls-key k --redis-url redis://r",
            Options(
                mode="serve",
                serve=ServeOptions("0.0.0.0", 0, False, Path("c"), Path("k"), "redis://r"),
            ),
        ),
        ("users list", Options(mode="users", names=("list",))),
        ("users add ali --role viewer", Options(mode="users", names=("add", "ali"), role="viewer")),
        (
            "test tests/test_websocket.py -k x",
            Options(mode="test", names=("tests/test_websocket.py", "-k", "x")),
        ),
    ],
)
def test_what_is_accepted(line, options):
    assert parse(line.split()) == options


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--hedless", "Not understood: --hedless (did you mean --headless?)"),
        ("dcotor", "Not understood: dcotor (did you mean doctor?)"),
        ("xyz", "Not understood: xyz"),
        ("doctor now", "Not understood: now"),
        ("users", "Say what to do: users add NAME, users list or users revoke NAME."),
        ("users add", "Say what to do: users add NAME"),
        ("users list ali", "Say what to do: users add NAME"),
        ("serve now", "Not understood: now"),
        ("serve --port x", "--port needs a number from 0 to 65535, not x"),
        ("serve --port 65536", "--port needs a number from 0 to 65535, not 65536"),
        ("serve --prot 1", "Not understood: --prot (did you mean --port?)"),
        ("--port 1", "--port goes with serve only."),
        ("doctor --no-engine", "--no-engine goes with serve only."),
        ("users list --role viewer", "--role goes with users add only."),
        ("users add ali --role boss", "--role is viewer or trader, not boss"),
        ("--demo test", "Put the word test first"),
        ("--for", "--for needs a value after it."),
        ("--for soon", "--for needs a positive number of seconds, not soon"),
        ("--for -1", "--for needs a"),
        ("--for nan", "--for needs a positive number of seconds, not nan"),
        ("--demo=yes", "--demo takes no value."),
        ("--config=", "An empty path was given."),
    ],
)
def test_what_is_refused_gets_one_sentence_and_code_2(line, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert "usage" not in said
    assert len(said.splitlines()) == 2


def test_refusals_and_help_are_in_turkish_too(turkish, capsys):
    with pytest.raises(SystemExit):
        parse(["--hedless"])
    assert "şunu mu demek istediniz: --headless?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    assert "simüle piyasa" in capsys.readouterr().out


def test_without_a_display_it_says_so_and_goes_headless(led_to, monkeypatch, capsys):
    monkeypatch.setattr(cli_main, "has_display", lambda: False)
    assert cli_main.main(["--demo"]) == 0
    assert led_to == [Options(mode="headless", headless=True, demo=True)]
    assert capsys.readouterr().out.count("\n") == 1


def test_with_a_display_it_goes_to_the_window(led_to, monkeypatch):
    monkeypatch.setattr(cli_main, "has_display", lambda: True)
    assert cli_main.main([]) == 0
    assert led_to == [Options()]


def failing(error: BaseException):
    def fail(_options: Options) -> int:
        raise error

    return fail


def test_ctrl_c_is_a_clean_end(monkeypatch):
    monkeypatch.setattr(cli_main, "_run_mode", failing(KeyboardInterrupt()))
    assert cli_main.main(["--headless"]) == 0


def test_a_broken_configuration_shows_all_its_problems_and_ends_with_code_2(monkeypatch, capsys):
    problems = [Problem("theme", '"drak"', '"dark" or "light"', '"dark"'), Problem("symbols", "3", "a list")]
    monkeypatch.setattr(cli_main, "_run_mode", failing(ConfigError(problems)))
    assert cli_main.main(["--headless"]) == 2
    said = capsys.readouterr().err
    assert "theme" in said
    assert "symbols" in said


def test_the_worlds_fault_is_one_sentence_and_ours_has_its_traceback(monkeypatch, capsys):
    monkeypatch.setattr(cli_main, "_run_mode", failing(StorageError("The disk is full.")))
    assert cli_main.main(["--headless"]) == 1
    assert capsys.readouterr().err == "The disk is full.\n"
    monkeypatch.setattr(cli_main, "_run_mode", failing(ZeroDivisionError("x")))
    assert cli_main.main(["--headless"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "fault of its own: ZeroDivisionError" in said


def test_a_report_speaks_the_language_of_the_configuration(monkeypatch, capsys, tmp_path):
    config = tmp_path / "c.json"
    config.write_text('{"language": "tr"}', "utf-8")
    monkeypatch.setattr(cli_main, "_run_mode", failing(ConfigError([Problem("theme", "1", "x")])))
    assert cli_main.main(["--headless", "--config", str(config)]) == 2
    assert "Ayarlar düzgün değil" in capsys.readouterr().err


def test_a_bug_is_reported_even_if_the_configuration_cannot_be_found(monkeypatch, capsys):
    monkeypatch.setattr(cli_main, "_run_mode", failing(ZeroDivisionError("x")))
    assert cli_main.main(["--headless", "--config", "nowhere.json"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def run_py(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=CODE_DIR,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_run_py_answers_help_and_mistakes_before_any_set_up():
    helped = run_py("--help")
    assert helped.returncode == 0
    assert "--data-dir" in helped.stdout
    mistaken = run_py("--hedless")
    assert mistaken.returncode == 2
    assert "--headless" in mistaken.stderr


def test_reading_the_command_line_needs_nothing_beyond_the_standard_library():
    code = "import sys; import cli.arguments; print([m for m in ('msgspec', 'PyQt5') if m in sys.modules])"
    said = subprocess.check_output([sys.executable, "-S", "-c", code], cwd=CODE_DIR, text=True, timeout=30)
    assert said.strip() == "[]"


# The program itself, in a process of its own


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    code = "import sys; from cli.main import main; sys.exit(main(sys.argv[1:]))"
    environment = {
        name: value for name, value in os.environ.items() if name not in ("QT_QPA_PLATFORM", "DISPLAY")
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=CODE_DIR, env=environment | variables, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_demo_opens_its_window_on_a_real_display_and_closes_in_time(xvfb):
    with start("--demo", "--for", "1", DISPLAY=xvfb) as program:
        _, complaints = program.communicate(timeout=40)
    assert program.returncode == 0
    assert complaints == ""


@pytest.mark.skipif(os.name != "posix", reason="only on POSIX systems")
def test_ctrl_c_ends_the_terminal_cleanly():
    with start("--demo") as program:
        assert program.stdout is not None
        assert "no display" in program.stdout.readline()
        program.stdout.readline()  # the table has begun
        program.send_signal(signal.SIGINT)
        _, complaints = program.communicate(timeout=40)
    assert program.returncode == 0
    assert complaints == ""


def test_a_broken_settings_file_is_refused_with_code_2_and_left_as_it_is(tmp_path):
    config = tmp_path / "c.json"
    config.write_text('{"theme": "drak", "symbls": []}', "utf-8")
    with start("--headless", "--config", str(config), "--for", "1") as program:
        _, complaints = program.communicate(timeout=40)
    assert program.returncode == 2
    assert "theme" in complaints
    assert "symbls" in complaints
    assert "Traceback" not in complaints
    assert config.read_text("utf-8") == '{"theme": "drak", "symbls": []}'
