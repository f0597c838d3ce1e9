"""The set-up: from nothing to a virtual environment, through cuts, locks, missing things and no network."""

from __future__ import annotations

import ast
import io
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from bootstrap import environment as env
from bootstrap import messages, packages, setup, system, venv
from bootstrap.environment import Environment
from bootstrap.errors import SetupError
from bootstrap.lock import setup_lock
from bootstrap.progress import Progress
from tests.patience import PATIENCE

CODE = Path(env.CODE_DIR)
POSIX = pytest.mark.skipif(os.name != "posix", reason="only on POSIX systems")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def fake_program(folder: Path, name: str, script: str) -> None:
    """Put a shell script on the PATH's first folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def wheel(folder: Path, name: str, version: str) -> None:
    """A package that pip can install: one module that knows its version."""
    info = f"{name}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def project(folder: Path, *pins: str) -> Path:
    """A code folder whose requirements are `pins`."""
    folder.mkdir(exist_ok=True)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-nodeps.txt"):
        (folder / name).write_text("\n".join(pins if name == "requirements.txt" else ()) + "\n")
    (folder / "constraints.txt").write_text("# -- program\n# -- tests\n")
    return folder


def version_in(environment: Environment, module: str) -> str:
    code = f"import {module}; print({module}.VERSION)"
    return subprocess.check_output([environment.python, "-c", code], text=True).strip()


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A folder that stands first on the PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An environment without packages, to copy from: making one takes seconds."""
    code = project(tmp_path_factory.mktemp("made"))
    environment = Environment(str(code / ".venv"), (), str(code))
    Path(environment.directory).mkdir()
    venv.make(environment, code / "log")
    return environment


def copy_environment(made: Environment, environment: Environment) -> None:
    shutil.copytree(made.directory, environment.directory, symlinks=True, dirs_exist_ok=True)


@pytest.fixture
def local_packages(tmp_path, monkeypatch):
    """pip finds packages in this folder alone."""
    folder = tmp_path / "wheels"
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


# What a command line needs


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ([], ("program", "qt")),
        (["--demo", "--for", "3"], ("program", "qt")),
        (["--headless"], ("program",)),
        (["--config", "test", "--headless"], ("program",)),
        (["doctor"], ("program",)),
        (["bench", "engine"], ("program", "tests", "qt", "tools")),
        (["test", "-k", "x"], ("program", "tests", "qt", "tools")),
    ],
)
def test_each_mode_sets_up_only_what_it_needs(arguments, steps, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert env.steps_for(arguments) == steps


def test_without_a_display_no_qt_libraries_are_asked_for(monkeypatch):
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not env.has_display()
    assert env.steps_for([]) == ("program",)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert env.has_display()
    monkeypatch.setattr(sys, "platform", "win32")
    assert env.has_display()


# Stamps


def stamped(tmp_path: Path, *steps: str) -> Environment:
    code = project(tmp_path / "code", "one==1")
    environment = Environment(str(code / ".venv"), steps, str(code))
    python = Path(environment.python)
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    for step in steps:
        Path(environment.stamp_path(step)).write_text(environment.stamp_text(step))
    return environment


def test_a_finished_set_up_is_not_repeated_until_a_requirement_changes(tmp_path):
    environment = stamped(tmp_path, "program", "tests", "qt")
    assert environment.missing() == ()
    Path(environment.code_dir, "requirements-dev.txt").write_text("two==2\n")
    assert environment.missing() == ("tests",)
    Path(environment.code_dir, "requirements.txt").write_text("one==2\n")
    assert environment.missing() == ("program", "tests")


def test_another_python_or_a_vanished_one_asks_for_the_set_up(tmp_path, monkeypatch):
    environment = stamped(tmp_path, "program", "qt")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 99, 0))
        assert environment.missing() == ("program", "qt")
    Path(environment.python).unlink()
    assert environment.missing() == ("program", "qt")


def test_the_environment_is_beside_the_code_or_else_in_the_data_directory(tmp_path, monkeypatch, home):
    code = project(tmp_path / "code")
    assert Environment.find(("program",), str(code)).directory == str(code / ".venv")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    elsewhere = Environment.find(("program",), str(code)).directory
    assert Path(elsewhere) == Path(os.environ["SWING_DATA_DIR"]) / "venv"
    monkeypatch.delenv("SWING_DATA_DIR")
    assert str(home) in Environment.find(("program",), str(code)).directory


def test_the_data_directory_is_the_one_the_program_uses(monkeypatch):
    from core.paths import resolve_data_dir

    assert Path(env.user_data_dir()) == resolve_data_dir()
    monkeypatch.delenv("SWING_DATA_DIR")
    assert Path(env.user_data_dir()) == resolve_data_dir()


@POSIX
def test_entering_becomes_the_environments_python_with_the_same_arguments(tmp_path, monkeypatch):
    environment = stamped(tmp_path, "program")
    seen = []
    monkeypatch.setattr(os, "execv", lambda path, command: seen.append((path, command)))
    monkeypatch.setattr(sys, "exit", lambda code: None)
    monkeypatch.setattr(env, "_run_and_wait", lambda command: 0)
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-X", "dev", "run.py", "--demo"])
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    environment.enter()
    assert seen == [(environment.python, [environment.python, "-X", "dev", "run.py", "--demo"])]
    assert "PYTHONHOME" not in os.environ


def test_inside_the_environment_entering_does_nothing(tmp_path, monkeypatch):
    environment = stamped(tmp_path, "program")
    monkeypatch.setattr(sys, "prefix", environment.directory)
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("entered again"))
    environment.enter()


# The whole set-up, with real environments and packages of our own


def test_a_set_up_installs_then_follows_its_requirements(tmp_path, made, local_packages, capsys, monkeypatch):
    wheel(local_packages, "alpha", "1.0")
    wheel(local_packages, "alpha", "2.0")
    code = project(tmp_path / "code", "alpha==1.0")
    environment = Environment(str(code / ".venv"), ("program",), str(code))
    monkeypatch.setattr(venv, "make", lambda environment, log: copy_environment(made, environment))

    assert setup.set_up(environment) == 0
    assert environment.missing() == ()
    assert version_in(environment, "alpha") == "1.0"
    said = capsys.readouterr().out
    assert "[1/2] Virtual environment" in said
    assert "[2/2] Program packages" in said
    assert "1 packages" in said

    assert setup.set_up(environment) == 0
    assert capsys.readouterr().out == ""

    (code / "requirements.txt").write_text("alpha==2.0\n")
    assert setup.set_up(environment) == 0
    assert version_in(environment, "alpha") == "2.0"
    assert "Virtual environment" not in capsys.readouterr().out

    (code / "requirements.txt").write_text("alpha==3.0\n")
    assert setup.set_up(environment) == 1
    assert "alpha==3.0" in capsys.readouterr().err
    assert environment.missing() == ("program",)
    assert venv.usable(environment), "a pip that failed by itself has left nothing half done"

    for name, value in (("NO_INDEX", ""), ("INDEX_URL", "http://127.0.0.1:9/simple"), ("FIND_LINKS", "")):
        monkeypatch.setenv(f"PIP_{name}", value)
    assert setup.set_up(environment) == 1
    assert "No connection to the package index" in capsys.readouterr().err
    (code / "requirements.txt").write_text("alpha==2.0\n")
    assert setup.set_up(environment) == 0, "goes on where it was, without the network, as nothing is needed"


@POSIX
def test_a_set_up_killed_in_the_middle_is_begun_anew(tmp_path, made, local_packages, capsys):
    """The index takes the connection and never answers; then everything is killed at once."""
    import socket

    wheel(local_packages, "alpha", "1.0")
    code = project(tmp_path / "code", "alpha==1.0")
    environment = Environment(str(code / ".venv"), ("program",), str(code))
    copy_environment(made, environment)
    script = (
        "from bootstrap.environment import Environment; from bootstrap.setup import set_up; "
        f"set_up(Environment({environment.directory!r}, ('program',), {str(code)!r}))"
    )
    with socket.create_server(("127.0.0.1", 0)) as index:
        index.settimeout(30)
        silent = {"PIP_NO_INDEX": "", "PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}/simple"}
        start = subprocess.Popen(
            [sys.executable, "-c", script], cwd=CODE, env=os.environ | silent | {"PIP_FIND_LINKS": ""},
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        connection, _ = index.accept()
        os.killpg(start.pid, signal.SIGKILL)
        start.wait()
        connection.close()
    assert environment.missing() == ("program",)
    assert not venv.usable(environment)
    assert setup.set_up(environment) == 0
    assert "cut short" in capsys.readouterr().out
    assert version_in(environment, "alpha") == "1.0"


def test_ctrl_c_ends_the_set_up_with_one_sentence(tmp_path, monkeypatch, capsys):
    environment = stamped(tmp_path)
    environment.steps = ("program",)

    def interrupted(*_args: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(venv, "usable", interrupted)
    assert setup.set_up(environment) == setup.INTERRUPTED
    assert "what was downloaded is kept" in capsys.readouterr().err


def test_nowhere_to_write_is_said(tmp_path, monkeypatch, capsys):
    environment = stamped(tmp_path)
    environment.steps = ("program",)

    def forbidden(*_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    assert setup.set_up(environment) == 1
    assert "SWING_DATA_DIR" in capsys.readouterr().err


def test_two_starts_at_once_wait_for_each_other(tmp_path):
    waiting, order = threading.Event(), []

    def second() -> None:
        with setup_lock(tmp_path, waiting.set):
            order.append("second")

    with setup_lock(tmp_path, lambda: pytest.fail("nobody else holds it")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(PATIENCE)
        order.append("first")
    thread.join(PATIENCE)
    assert order == ["first", "second"]


# pip's output


def test_pips_output_becomes_progress():
    output = packages.PipOutput(4)
    assert output.state(0) == (0.0, "")
    output.feed("Collecting numpy==2.4.6 (from -r requirements.txt (line 12))\n")
    output.feed("  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl (16.6 MB)\n")
    share, words = output.state(0)
    assert 0 < share < 0.7
    assert words == "1/4 packages, fetching numpy (16.6 MB)"
    output.feed("Collecting six>=1.5\n")
    output.feed("Collecting six>=1.5\n")
    assert output.state(0)[1] == "2/4 packages, fetching six"
    output.feed("Installing collected packages: six, numpy\n")
    assert output.state(1) == (pytest.approx(0.85), "1/2 packages, installing")
    assert output.state(9)[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("WARNING: Retrying ... Temporary failure in name resolution\nERROR: No matching", "No connection"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
        ("SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED", "certificate"),
        (
            "Collecting x\nERROR: No matching distribution found for x==1\n",
            "No matching distribution found for x",
        ),
        ("", "The set-up failed: pip"),
    ],
)
def test_pips_failures_become_one_sentence(output, sentence):
    assert sentence in packages.explain(output, Path("setup.log"))


# System libraries and tools


def test_missing_libraries_are_read_from_ldd_and_named_as_packages():
    output = (
        "\tlibxcb-icccm.so.4 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x0)\n\tlibGL.so.1 => not found\n"
    )
    libraries = system.missing_from_ldd(output)
    assert libraries == {"libxcb-icccm.so.4", "libGL.so.1"}
    assert system.packages_for([*libraries, "libstrange.so.1"]) == ["libgl1", "libxcb-icccm4"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only on Linux")
def test_the_qt_of_this_environment_has_all_its_libraries():
    pyqt = Path(str(metadata.distribution("PyQt5").locate_file("PyQt5")))
    assert system.missing_qt_libraries(pyqt) == set()


@POSIX
def test_root_on_debian_gets_the_libraries_installed(tmp_path, tools, monkeypatch, capsys):
    installed = tmp_path / "installed"
    fake_program(tools, "ldd", f'[ -e {installed} ] || printf "\\tlibGL.so.1 => not found\\n"')
    fake_program(
        tools, "apt-get",
        f'echo "$@" >> {tmp_path}/apt.txt; echo "dlstatus:1:50.0:x"; [ "$1" = update ] || touch {installed}',
    )  # fmt: skip
    monkeypatch.setattr(system, "is_root", lambda: True)
    monkeypatch.setattr(system, "on_linux", lambda: True)
    monkeypatch.setattr(system, "has_fonts", lambda: False)
    monkeypatch.setattr(venv, "usable", lambda environment: True)
    environment = stamped(tmp_path, "qt")
    Path(environment.stamp_path("qt")).unlink()
    assert setup.set_up(environment) == 0
    update, install = (tmp_path / "apt.txt").read_text().splitlines()
    assert update.startswith("update")
    assert install.startswith("install -y --no-install-recommends")
    assert install.endswith("libgl1 fonts-noto-core fonts-noto-color-emoji")
    assert environment.missing() == ()


@POSIX
@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "sudo apt-get update && sudo apt-get install -y libgl1"),
        ("dnf", "sudo dnf install -y 'libGL.so.1()(64bit)'"),
        ("pacman", "sudo pacman -S --needed qt5-base"),
        ("none", "your distribution's package with libGL.so.1"),
    ],
)
def test_others_get_the_one_command(manager, command, tmp_path, tools, monkeypatch, capsys):
    ldd, none = tools / "ldd", tools / "none"
    fake_program(tools, "ldd", 'printf "\\tlibGL.so.1 => not found\\n"')
    fake_program(tools, "none", "")
    known = {"ldd": ldd, manager: none}
    monkeypatch.setattr(system.shutil, "which", lambda name: str(known[name]) if name in known else None)
    monkeypatch.setattr(system, "is_root", lambda: False)
    monkeypatch.setattr(system, "on_linux", lambda: True)
    monkeypatch.setattr(venv, "usable", lambda environment: True)
    environment = stamped(tmp_path, "qt")
    Path(environment.stamp_path("qt")).unlink()
    assert setup.set_up(environment) == 1
    complaint = capsys.readouterr().err
    assert "libGL.so.1" in complaint
    assert command in complaint
    assert environment.missing() == ("qt",)


def test_missing_test_tools_are_said_and_asked_for_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(system, "_SERVERS", tmp_path)
    monkeypatch.setattr(system, "on_linux", lambda: True)
    monkeypatch.setattr(system, "is_root", lambda: False)
    monkeypatch.setattr(
        system.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None
    )
    monkeypatch.setattr(venv, "usable", lambda environment: True)
    environment = stamped(tmp_path, "tools")
    Path(environment.stamp_path("tools")).unlink()
    assert setup.set_up(environment) == 0
    packages = "chromium chromium-driver dbus postgresql redis-server xauth xvfb"
    assert f"sudo apt-get install -y {packages}" in capsys.readouterr().out
    assert environment.missing() == ("tools",)


def test_a_python_without_venv_is_completed_by_root_or_explained(tmp_path, monkeypatch):
    log, progress = tmp_path / "log", Progress(1, io.StringIO())
    missing = ["ensurepip", ""]
    monkeypatch.setattr(venv, "_missing_module", lambda: missing.pop(0))
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(system, "has_apt", lambda: True)
    asked = []
    monkeypatch.setattr(system, "is_root", lambda: True)
    monkeypatch.setattr(system, "apt_install", lambda names, *_: asked.append(names) or True)
    venv.require_modules(progress, log)
    assert asked == [[f"python3.{sys.version_info[1]}-venv"]]

    missing[:] = ["ensurepip"]
    monkeypatch.setattr(system, "is_root", lambda: False)
    with pytest.raises(SetupError, match=rf"apt-get install -y python3.{sys.version_info[1]}-venv"):
        venv.require_modules(progress, log)
    missing[:] = ["_ssl"]
    monkeypatch.setattr(sys, "base_prefix", "/opt/own")
    with pytest.raises(SetupError, match="_ssl"):
        venv.require_modules(progress, log)


def test_apts_status_lines_become_a_share():
    assert system.apt_share("dlstatus:1:40.0:Retrieving file 1 of 2", 0.0) == pytest.approx(0.2)
    assert system.apt_share("pmstatus:libgl1:50.0:Unpacking", 0.2) == pytest.approx(0.75)
    assert system.apt_share("Reading package lists...", 0.3) == 0.3
    assert system.apt_share("pmstatus:libgl1:?:Unpacking", 0.3) == 0.3


def test_fonts_are_found_by_looking(tmp_path):
    assert not system.has_fonts([str(tmp_path)])
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "A.TTF").touch()
    assert system.has_fonts([str(tmp_path)])


# What is shown


def test_a_terminal_sees_one_line_that_is_drawn_over():
    stream = Terminal()
    progress = Progress(2, stream)
    progress.step("Packages")
    progress._drawn = 0.0
    progress.update(0.5, "1/2 packages")
    progress.end_step("2 packages")
    last = stream.getvalue().split("\r")[-1].replace("  \n", "\n")
    assert last.startswith("[1/2] Packages")
    assert "█" * 20 in last
    assert last.endswith("2 packages\n")
    assert all(len(line.rstrip("\n")) < 80 for line in stream.getvalue().split("\r"))


def test_a_log_sees_plain_lines_in_characters_it_knows():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    progress = Progress(1, stream)
    progress.step("Paket kuruluyor ğ")
    progress._drawn = 0.0
    progress.update(0.5, "x")
    progress.end_step("1 packages")
    assert raw.getvalue().decode("ascii").splitlines()[:2] == ["[1/1] Paket kuruluyor ? ...", "    50% x"]
    Progress(1, None).say("no console at all")


def test_every_sentence_of_the_set_up_is_there_in_both_languages():
    fields = re.compile(r"{(\w+)}")
    for name, (english, turkish) in messages._SENTENCES.items():
        assert english, name
        assert sorted(fields.findall(english)) == sorted(fields.findall(turkish)), name


def test_the_set_up_speaks_the_computers_language(monkeypatch):
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    assert messages.text("venv") == "Sanal ortam"
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert messages.text("venv") == "Virtual environment"


# The files that stand beside


def test_run_py_parses_on_an_old_python_and_tells_it_what_is_needed(monkeypatch):
    source = (CODE / "run.py").read_text("utf-8")
    ast.parse(source, feature_version=(3, 4))
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit) as ended:
        exec(compile(source, "run.py", "exec"), {"__name__": "__main__"})
    assert "needs Python 3.11 or newer; this is 3.9" in str(ended.value)


def test_every_requirement_is_pinned_and_takes_the_oldest_python():
    names = ("requirements.txt", "requirements-dev.txt", "requirements-nodeps.txt", "constraints.txt")
    lines = [line for name in names for line in (CODE / name).read_text("utf-8").splitlines()]
    pins = [line.partition("#")[0].partition(";")[0].strip() for line in lines if line and line[0] != "#"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), pins
    for pin in pins:
        name, _, version = pin.partition("==")
        try:
            found = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # for another system
        accepts = found.get("Requires-Python", "") if found["Version"] == version else ""
        assert not accepts or SpecifierSet(accepts).contains("3.11.0"), pin


def test_the_expected_number_of_packages_leaves_out_other_systems():
    program = packages.expected_packages(CODE, "program")
    text = (CODE / "requirements.txt").read_text("utf-8") + (CODE / "constraints.txt").read_text("utf-8")
    assert 40 < program < text.count("==")
    assert packages.expected_packages(CODE, "tests") > 20
