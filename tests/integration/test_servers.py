"""The real servers that other tests rely on: they do what their methods say, and they leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evercache.errors import EvercacheError
from evercache.testing.servers import (
    RedisServer,
    ReplyError,
    ServerFailed,
    ServerNotFound,
    WaitedInVain,
    find_all,
    wait_until,
)


def test_a_server_answers_and_is_private(make_redis):
    """Two servers have two ports, two folders and two data sets."""
    first, second = make_redis(), make_redis()
    first.command("SET", "k", "v")
    assert first.command("GET", "k") == b"v"
    assert second.command("GET", "k") is None
    assert first.port != second.port
    assert first.url == f"redis://127.0.0.1:{first.port}/0"


def test_every_server_of_this_machine_starts(subtests):
    """What find_all() finds can be used, whichever version it is."""
    assert find_all()
    for binary in find_all():
        with subtests.test(str(binary)), RedisServer(binary=binary) as server:
            assert server.command("PING") == b"PONG"


def test_options_are_lines_of_the_configuration(make_redis):
    """Everything that redis.conf knows can be said."""
    server = make_redis("maxmemory 3mb", "maxmemory-policy allkeys-lfu")
    assert server.command("CONFIG", "GET", "maxmemory-policy") == [b"maxmemory-policy", b"allkeys-lfu"]
    assert server.info("memory")["maxmemory"] == str(3 * 1024 * 1024)


def test_a_server_that_refuses_to_start_gives_its_last_words(make_redis):
    """A bad line is reported with the server's own sentence."""
    with pytest.raises(ServerFailed, match="no-such-option"):
        make_redis("no-such-option 1")


def test_a_program_that_cannot_be_started_is_named():
    """A wrong path is an error of ours, with the path in it."""
    with pytest.raises(ServerFailed, match="/nowhere/redis-server"), RedisServer(binary="/nowhere/redis-server"):
        pass


def test_nothing_is_kept_by_a_restart_unless_it_is_asked_for(make_redis):
    """A cache server comes back empty; with keep_data it comes back as it was. The port is the same each time."""
    server = make_redis()
    port = server.port
    server.command("SET", "k", "v")
    server.restart(keep_data=True)
    assert server.command("GET", "k") == b"v"
    server.restart()
    assert server.command("GET", "k") is None
    assert server.port == port


def test_a_killed_server_breaks_connections_and_comes_back_on_its_port(make_redis):
    """kill -9 is felt at once by whoever is connected; start() brings an empty server to the same address."""
    server = make_redis()
    server.command("SET", "k", "v")
    run = server.info("server")["run_id"]
    with server.connect() as wire:
        wire.command("PING")
        server.kill()
        with pytest.raises(ConnectionError):
            wire.command("PING")
    assert not server.is_running
    with pytest.raises(ConnectionRefusedError):
        server.command("PING")
    server.start()
    assert server.command("GET", "k") is None
    assert server.info("server")["run_id"] != run


def test_a_port_stays_reserved_while_its_server_is_down(make_redis):
    """Nobody who reserves ports in the same way gets the port of a dead server."""
    server = make_redis()
    server.kill()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(server.address)


def test_a_paused_server_answers_nobody_and_later_answers_all(make_redis):
    """SIGSTOP keeps connections open and silent; what was sent in the meantime is executed after SIGCONT."""
    server = make_redis()
    with server.connect(timeout=60) as wire:
        server.pause()
        assert server.is_running
        wire.send("SET", "k", "late")
        assert wire.is_silent(0.2)
        with pytest.raises(TimeoutError):
            server.command("PING", timeout=0.05)
        server.resume()
        wait_until(lambda: server.command("GET", "k") == b"late", "the late command is executed")


def test_a_paused_server_can_be_stopped_killed_and_closed(make_redis):
    """No order waits for a server that can't hear."""
    server = make_redis()
    server.pause()
    server.stop()
    assert not server.is_running
    server.start()
    server.pause()
    server.kill()
    server.start()
    assert server.command("PING") == b"PONG"
    server.pause()


def test_a_password_is_asked_for(make_redis):
    """With a password, the URL carries it and nobody gets in without."""
    server = make_redis(password="p@ss/word")
    assert server.url == f"redis://:p%40ss%2Fword@127.0.0.1:{server.port}/0"
    assert server.command("PING") == b"PONG"
    server.password = None
    with pytest.raises(ReplyError, match="NOAUTH"):
        server.command("PING")


def test_tls_is_real(make_redis):
    """With tls the port speaks TLS alone, with a certificate that ca_file vouches for."""
    server = make_redis(tls=True)
    assert server.url.startswith("rediss://")
    assert server.ca_file.exists()
    assert server.command("PING") == b"PONG"
    with socket.create_connection(server.address, timeout=60) as plain:
        plain.sendall(b"PING\r\n")
        assert b"PONG" not in read_to_the_end(plain)
    server.kill()
    with pytest.raises(ConnectionError):
        server.command("PING")
    server.start()
    assert server.command("PING") == b"PONG"


def test_a_closed_server_leaves_nothing_behind(make_redis):
    """Process, folder and port are gone; closing again does nothing."""
    server = make_redis()
    pid, folder = server.pid, server.folder
    server.close()
    server.close()
    assert not is_alive(pid)
    assert not folder.exists()
    with pytest.raises(EvercacheError, match="down"):
        server.pause()


@pytest.mark.parametrize("paused", [False, True])
def test_a_server_dies_with_its_parent(paused):
    """When the process that started it is killed with -9, server and folder go, even a server that stands still."""
    with start_in_a_child("server.pause()" if paused else "") as parent:
        pid, folder = parent.stdout.readline().split()
        assert is_alive(int(pid))
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(int(pid)), "the server died with its parent")
    wait_until(lambda: not Path(folder).exists(), "its folder is gone")


def test_a_server_that_nobody_closed_goes_when_its_parent_ends():
    """Forgetting close() leaves neither process nor folder."""
    with start_in_a_child("") as parent:
        pid, folder = parent.communicate("end\n", timeout=60)[0].split()
    wait_until(lambda: not is_alive(int(pid)), "the server ended with its parent")
    wait_until(lambda: not Path(folder).exists(), "its folder is gone")


def test_a_server_outlives_the_thread_that_started_it(make_redis):
    """It belongs to the process: fixtures may start servers in worker threads."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        server = pool.submit(make_redis).result()
    assert server.command("PING") == b"PONG"


def test_a_missing_server_is_a_sentence(tmp_path, monkeypatch):
    """A fixture without a server program fails with what to install, not with a FileNotFoundError."""
    monkeypatch.setenv("EVERCACHE_REDIS_SERVER", str(tmp_path / "nothing"))
    with pytest.raises(ServerNotFound, match="EVERCACHE_REDIS_SERVER"):
        RedisServer()


def test_waiting_in_vain_says_for_what():
    """A fact that never comes is an error with the fact in it, and with the last refusal as its cause."""

    def refuse():
        raise ConnectionRefusedError

    with pytest.raises(WaitedInVain, match="the moon is made of cheese") as caught:
        wait_until(refuse, "the moon is made of cheese", seconds=0)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def start_in_a_child(then):
    """A process that starts a server, does *then*, prints pid and folder of the server, and waits for a line."""
    program = (
        "from evercache.testing.servers import RedisServer\n"
        "server = RedisServer()\n"
        "server.start()\n"
        f"{then}\n"
        "print(server.pid, server.folder, flush=True)\n"
        "input()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def is_alive(pid):
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def read_to_the_end(connection):
    data = b""
    try:
        while part := connection.recv(4096):
            data += part
    except ConnectionError:
        pass
    return data
