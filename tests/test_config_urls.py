"""Addresses in the settings: what is none is refused with a sentence, and no sentence shows a password."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import main as command_line
from core.config_check import check_value
from core.config_file import ConfigError, parse_config
from core.secrets import Redactor

GOOD = [
    "", "redis://127.0.0.1", "redis://127.0.0.1:6379", "redis://127.0.0.1:6379/0", "redis://h/15",
    "redis://:pw@10.0.0.5:6379/0", "rediss://user:pw@redis.example:6380/2", "redis://[::1]:6379/1",
    "unix:///run/redis.sock", "unix://u:pw@/run/redis.sock?db=2", "redis://h?db=3", "redis://h/",
    "rediss://h/0?ssl_cert_reqs=none",
]  # fmt: skip
BAD = [
    "foo://x", "redis://127.0.0.1:abc/0", "redis://127.0.0.1/notanumber", "redis://127.0.0.1/-1", "redis://",
    "redis:///0", "redis://h:99999/0", "redis://h:0/0", "redis://[::1/0", "redis://u:pa/ss@h/0",
    "redis://h/0/1", "redis://h/٣", "redis://h?db=x", "redis://h/0?socket_timeout=x", "unix://", "unix:///",
    "redis//h/0", "REDIS", "redis://h/0 ",
]  # fmt: skip
FIELDS = ["server.redis_url", "storage.url"]


@pytest.mark.parametrize("url", GOOD)
def test_an_address_of_redis_is_accepted(url: str) -> None:
    assert check_value("server.redis_url", url) is None
    assert parse_config({"server": {"redis_url": url}}).server.redis_url == url


@pytest.mark.parametrize("url", BAD)
def test_what_is_no_address_of_redis_is_refused(url: str) -> None:
    problem = check_value("server.redis_url", url)
    assert problem is not None
    assert problem.path == "server.redis_url"
    with pytest.raises(ConfigError, match="redis://127"):
        parse_config({"server": {"redis_url": url}})


@pytest.mark.parametrize("url", ["foo://x", "redis://:hunter2@h:abc/0", "redis://h/notanumber"])
@pytest.mark.parametrize("mode", [["serve", "--no-engine"], ["serve"], ["worker"]], ids=" ".join)
def test_the_command_line_is_judged_as_the_file_is(
    data_dir: Path, capsys: Any, mode: list[str], url: str
) -> None:
    assert command_line.main([*mode, "--data-dir", str(data_dir), "--redis-url", url]) != 0
    said = capsys.readouterr()
    assert "redis://127.0.0.1:6379/0" in said.err
    assert "Traceback" not in said.err
    assert "hunter2" not in said.err + said.out
    assert len(said.err.splitlines()) == 1


# --- passwords ------------------------------------------------------------------------------------------

PASSWORD = "sekretpw"
BROKEN = [
    ":sekretpw@10.0.0.5:6379", "redis//:sekretpw@h/0", "postgresql//u:sekretpw@h/x", "u:sekretpw@h/x",
    "redis://u:sek sekretpw@h/0", "redis://u:sekretpw@h:abc/0", "http://u:a@sekretpw@h/\r\n", "sekretpw@",
    "x\nsekretpw\n@h", "redis://sekretpw/@h/notanumber",
]  # fmt: skip


@pytest.mark.parametrize("url", BROKEN)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("wrap", [lambda url: url, lambda url: [url], lambda url: {"a": url}])
def test_a_bad_address_is_told_without_its_password(field: str, url: str, wrap: Any) -> None:
    section, _, name = field.partition(".")
    value = wrap(url)
    said = [str(check_value(field, value))]
    for data in ({section: {name: value}}, {section: {name + "_": value}}, {section: {"redis_ur": value}}):
        try:
            parse_config(data)
        except ConfigError as error:
            said.append(str(error))
    assert PASSWORD not in " ".join(said)


def test_doctor_tells_no_password_either(data_dir: Path, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "mine.json"
    addresses = {"server": {"redis_url": "redis//:sekretpw@h/0"}, "storage": {"url": "u:sekretpw@h/x"}}
    path.write_text(json.dumps(addresses), "utf-8")
    assert command_line.main(["doctor", "--offline", "--config", str(path), "--data-dir", str(data_dir)]) != 0
    said = capsys.readouterr()
    assert "server.redis_url" in said.out + said.err
    assert PASSWORD not in said.out + said.err


MARKS = "ŽŊÆØÐ"  # in no sentence of ours
PASSWORDS = st.text(MARKS + " :@/?#[]%\\\"'\n=", min_size=3, max_size=20).filter(
    lambda text: any(mark in text for mark in MARKS)
)


@given(
    PASSWORDS,
    st.sampled_from(FIELDS),
    st.sampled_from(["", ":", "u:", "redis://:", "redis//u:", "postgresql://u:", "postgresql:u:", "unix:"]),
    st.sampled_from(["@h", "@10.0.0.5:6379", "@h:abc/0", "@h/x", "@h/notanumber", "@", "@ h\n"]),
)
def test_no_piece_of_a_password_is_ever_told(password: str, field: str, before: str, after: str) -> None:
    problem = str(check_value(field, before + password + after))
    assert not set(MARKS) & set(problem)


def test_a_password_with_a_blank_is_masked_wherever_it_is_logged() -> None:
    for text in (
        "redis://u:sek ret@h/0",
        'a "postgresql://u:sek ret pw@h/x" b',
        "redis://:p@s sek@h:1",
        'redis://:a@sek"sek@h',
    ):
        masked = Redactor().mask(text)
        assert "sek" not in masked
        assert "@h" in masked
    plain = "from http://127.0.0.1:8765/ to a@b"
    assert Redactor().mask(plain) == plain
