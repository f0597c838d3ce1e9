"""One instance per data directory, however the first one ended."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from core import instance_lock
from core.errors import AlreadyRunningError, StorageError
from core.instance_lock import InstanceLock
from tests.patience import FOREVER, PATIENCE

ROOT = Path(__file__).parent.parent
HOLDER = """
import sys, threading
from pathlib import Path
from core.instance_lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
lock.acquire()
lock.listen(lambda: print("shown", flush=True))
print("held", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def first(data_dir: Path) -> Iterator[InstanceLock]:
    lock = InstanceLock(data_dir)
    lock.acquire()
    yield lock
    lock.release()


def test_the_second_instance_is_told(first: InstanceLock, data_dir: Path) -> None:
    with pytest.raises(AlreadyRunningError, match="already runs"):
        InstanceLock(data_dir).acquire()
    elsewhere = InstanceLock(data_dir.parent)
    elsewhere.acquire()
    elsewhere.release()
    first.release()
    first.release()
    second = InstanceLock(data_dir)
    second.acquire()
    second.release()


def test_the_second_brings_the_first_to_the_front(first: InstanceLock, data_dir: Path) -> None:
    shown = threading.Event()
    first.listen(shown.set)
    (data_dir / "alias").symlink_to(data_dir)
    assert InstanceLock(data_dir / "alias").notify_first()
    assert shown.is_set()
    first.release()
    assert [thread.name for thread in threading.enumerate() if "listener" in thread.name] == []
    assert not InstanceLock(data_dir).notify_first(timeout=0)


def test_a_first_that_does_not_listen_yet_is_waited_for(
    first: InstanceLock, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = threading.Event()
    sleep = time.sleep

    def begin(seconds: float) -> None:
        monkeypatch.setattr(instance_lock.time, "sleep", sleep)
        first.listen(shown.set)

    monkeypatch.setattr(instance_lock.time, "sleep", begin)
    assert InstanceLock(data_dir).notify_first()
    assert shown.is_set()


@pytest.mark.allow_log("could not be brought")
def test_a_broken_callback_does_not_end_the_listening(first: InstanceLock, data_dir: Path) -> None:
    calls: list[int] = []

    def callback() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no window")

    first.listen(callback)
    assert InstanceLock(data_dir).notify_first()  # the first wave fails, the next one arrives
    assert len(calls) == 2


def test_a_silent_or_babbling_stranger_does_not_block(
    first: InstanceLock, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_lock, "_ANSWER_SECONDS", 0.1)
    shown = threading.Event()
    first.listen(shown.set)
    assert InstanceLock(data_dir).notify_first(timeout=PATIENCE)
    shown.clear()
    address = instance_lock._address_for(data_dir)
    with Client(address), Client(address) as babbler:
        babbler.send_bytes(b"x" * 1000)
        assert InstanceLock(data_dir).notify_first(timeout=PATIENCE)
    assert shown.is_set()


def test_a_kill_leaves_nothing_that_blocks(data_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            lock = InstanceLock(data_dir)
            with pytest.raises(AlreadyRunningError):
                lock.acquire()
            assert lock.notify_first()
            assert holder.stdout.readline() == "shown\n"
        finally:
            holder.kill()
    lock.acquire()
    shown = threading.Event()
    lock.listen(shown.set)  # over the dead one's socket
    assert InstanceLock(data_dir).notify_first()
    assert shown.is_set()
    lock.release()


@pytest.mark.allow_log("another start cannot bring")
def test_a_system_without_such_channels_loses_only_those(first: InstanceLock, data_dir: Path) -> None:
    (data_dir / "instance.sock").mkdir()
    (data_dir / "instance.sock" / "x").touch()
    first.listen(lambda: None)
    first.release()


def test_release_does_not_wait_for_a_stuck_callback(
    first: InstanceLock, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def callback() -> None:
        entered.set()
        leave.wait(FOREVER)

    first.listen(callback)
    assert not InstanceLock(data_dir).notify_first(timeout=0.3)
    assert entered.wait(PATIENCE)
    thread = next(thread for thread in threading.enumerate() if "listener" in thread.name)
    monkeypatch.setattr(instance_lock, "_ANSWER_SECONDS", 0.2)
    first.release()
    assert thread.is_alive()  # it has been left behind
    leave.set()
    thread.join(PATIENCE)


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        InstanceLock(tmp_path / "none").acquire()


@pytest.mark.allow_log("knows no locks")
def test_a_disk_without_locks_does_not_prevent_the_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(instance_lock, "_lock", refuse)
    lock = InstanceLock(data_dir)
    lock.acquire()
    lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="only on systems with Unix sockets")
def test_a_long_path_gets_a_short_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    address = instance_lock._address_for(deep)
    assert len(os.fsencode(address)) < 104
    assert address == instance_lock._address_for(deep / ".." / deep.name)
    monkeypatch.setattr(sys, "platform", "win32")
    assert instance_lock._address_for(deep).startswith("\\\\.\\pipe\\swing-hunter-")
