"""Users and their tokens: made, listed, revoked, and never readable again."""

from __future__ import annotations

import asyncio
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.arguments import Options
from cli.users import run_users
from core.accounts import DATABASE_NAME, Account, AccountStore, hash_token, new_token
from core.errors import InputError, StorageError
from core.secrets import redactor
from server.account_watch import AccountWatch
from server.auth import Gate
from server.sessions import KEY_NAME, Sessions, session_key
from server.setup import Users
from tests.patience import PATIENCE


@pytest.fixture
def store(data_dir: Path) -> Any:
    store = AccountStore("", data_dir)
    yield store
    store.close()


def test_a_token_is_256_random_bits_and_only_its_hash_is_kept(store: AccountStore, data_dir: Path) -> None:
    token = store.add("ali")
    assert re.fullmatch(r"swing_[\w-]{43}", token)
    assert store.add("bea") != token
    (ali, bea) = store.accounts()
    assert (ali.name, ali.role, ali.token_hash, ali.active) == ("ali", "trader", hash_token(token), True)
    assert bea.token_hash != ali.token_hash
    for path in data_dir.iterdir():
        assert token.encode() not in path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="only on Unix has a file such permissions")
def test_the_file_is_its_owners_alone(store: AccountStore, data_dir: Path) -> None:
    assert stat.S_IMODE((data_dir / f"{DATABASE_NAME}.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "Ali", "a b", "../x", "a" * 41, "-a", "ali\n", "çınar", "a/b"])
def test_a_bad_name_is_refused(store: AccountStore, name: str) -> None:
    with pytest.raises(InputError):
        store.add(name)


def test_a_user_is_there_once_until_revoked(store: AccountStore) -> None:
    first = store.add("ali", "viewer")
    with pytest.raises(InputError, match="users revoke ali"):
        store.add("ali")
    store.revoke("ali")
    assert not store.accounts()[0].active
    for name in ("ali", "nobody"):
        with pytest.raises(InputError, match=name):
            store.revoke(name)
    second = store.add("ali", "trader")
    (ali,) = store.accounts()
    assert (ali.role, ali.active, ali.token_hash) == ("trader", True, hash_token(second))
    assert first != second


def test_each_change_changes_the_fingerprint(store: AccountStore) -> None:
    seen = [store.fingerprint()]
    for change in (lambda: store.add("ali"), lambda: store.revoke("ali"), lambda: store.add("ali")):
        change()
        assert store.fingerprint() not in seen
        seen.append(store.fingerprint())


def test_the_gate_finds_users_by_their_tokens(store: AccountStore) -> None:
    tokens = {name: store.add(name) for name in ("ali", "bea")}
    gate = Gate(Sessions(b"k"), 1, store.accounts())
    for name, token in tokens.items():
        found = gate.find(token)
        assert found is not None and found.name == name
    for wrong in ("", "x", new_token(), tokens["ali"] + "x", tokens["ali"][:-1], "\udcff"):
        assert gate.find(wrong) is None
    store.revoke("ali")
    gate.update(store.accounts())
    assert gate.find(tokens["ali"]) is None


def test_a_token_is_masked_wherever_it_is_logged() -> None:
    assert new_token() not in redactor.mask(f"who is {new_token()}?")
    assert redactor.mask(f"got {new_token()}.") == "got ***."


# --- the command line -----------------------------------------------------------------------------------


def users(data_dir: Path, *words: str, **fields: Any) -> None:
    assert run_users(Options(mode="users", data_dir=data_dir, names=words, **fields)) == 0


def test_users_are_added_listed_and_revoked(data_dir: Path, capsys: Any) -> None:
    users(data_dir, "list")
    assert "users add" in capsys.readouterr().out
    users(data_dir, "add", "ali", role="viewer")
    told = capsys.readouterr()
    token = told.out.strip()
    assert re.fullmatch(r"swing_[\w-]{43}", token)
    assert token not in told.err
    assert "ali (viewer)" in told.err
    users(data_dir, "list")
    assert re.search(r"^ali +viewer +\d{4}-\d\d-\d\d +valid$", capsys.readouterr().out, re.MULTILINE)
    users(data_dir, "revoke", "ali")
    users(data_dir, "list")
    shown = capsys.readouterr().out
    assert re.search(r"^ali +viewer .* revoked on \d{4}", shown, re.MULTILINE)
    assert token not in shown
    for path in data_dir.rglob("*"):
        assert path.is_dir() or token.encode() not in path.read_bytes()


# --- watching -------------------------------------------------------------------------------------------


def test_a_running_server_hears_of_changes_made_elsewhere(data_dir: Path) -> None:
    told: list[tuple[Account, ...]] = []

    async def watch() -> None:
        store = AccountStore("", data_dir)
        heard = asyncio.Event()

        def tell(accounts: tuple[Account, ...]) -> None:
            told.append(accounts)
            heard.set()

        watcher = AccountWatch(Users("", data_dir).open, 0.02)
        watcher.start(tell)
        try:
            for change in (lambda: None, lambda: store.add("ali"), lambda: store.revoke("ali")):
                change()
                await asyncio.wait_for(heard.wait(), PATIENCE)
                heard.clear()
        finally:
            watcher.stop()
            watcher.stop()
            store.close()

    asyncio.run(watch())
    assert [[account.active for account in accounts] for accounts in told] == [[], [True], [False]]


@pytest.mark.allow_log("the users cannot be read")
def test_while_the_store_cannot_be_read_the_last_known_users_stay() -> None:
    tries: list[int] = []

    def broken() -> AccountStore:
        tries.append(1)
        raise StorageError("The disk is gone.")

    async def watch() -> None:
        watcher = AccountWatch(broken, 0.005)
        watcher.start(lambda _: pytest.fail("nothing is known"))
        while len(tries) < 3:
            await asyncio.sleep(0.005)
        watcher.stop()

    asyncio.run(watch())


# --- the key of the sessions ----------------------------------------------------------------------------


def test_the_key_is_made_once_and_kept_private(data_dir: Path) -> None:
    key = session_key(data_dir)
    assert len(key) == 32
    assert session_key(data_dir) == key
    if sys.platform != "win32":
        assert stat.S_IMODE((data_dir / KEY_NAME).stat().st_mode) == 0o600


def test_a_broken_key_is_replaced(data_dir: Path) -> None:
    (data_dir / KEY_NAME).write_bytes(b"short")
    assert len(session_key(data_dir)) == 32


def test_several_servers_share_a_key_by_the_environment(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWING_SERVER_KEY", "the same everywhere")
    assert session_key(data_dir) == session_key(data_dir / "elsewhere")
    assert list(data_dir.iterdir()) == []


def test_a_key_that_cannot_be_kept_is_the_worlds_fault(data_dir: Path) -> None:
    (data_dir / KEY_NAME).mkdir()
    with pytest.raises(StorageError):
        session_key(data_dir)
