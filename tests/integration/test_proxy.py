"""Each fault of the proxy, shown to be in force."""

import asyncio
import socket
import time

import pytest

from evercache.testing.proxy import TcpProxy
from evercache.testing.servers import Wire, wait_until
from evercache.testing.servers.certificates import make_certificate

MOMENT = 0.2  # how long a test listens to silence: longer shows more, shorter is still true


@pytest.fixture
def wire(tcp_proxy):
    with Wire(*tcp_proxy.address, timeout=60) as connection:
        yield connection


def test_in_peace_it_is_not_there(tcp_proxy, wire, redis_server):
    """Bytes pass both ways and are counted."""
    value = "x" * 300_000
    assert wire.command("SET", "k", value) == b"OK"
    assert wire.command("GET", "k") == value.encode()
    counts = tcp_proxy.counts
    assert (counts.accepted, counts.open) == (1, 1)
    assert counts.up_read == counts.up_written > 300_000
    assert counts.down_read == counts.down_written > 300_000


def test_the_end_of_a_connection_passes(tcp_proxy, redis_server):
    """Either side may close, and the other one learns of it."""
    with Wire(*tcp_proxy.address, timeout=60) as wire:
        assert wire.command("QUIT") == b"OK"
        with pytest.raises(ConnectionError):
            wire.read()
    wait_until(lambda: tcp_proxy.counts.open == 0, "the connection is closed on both sides")


def test_frozen_it_holds_back_and_thawed_it_delivers_late(tcp_proxy, redis_server, redis_namespace):
    """The half-open link: the client has given up and gone, and its command is executed all the same."""
    key = redis_namespace
    with Wire(*tcp_proxy.address, timeout=60) as wire:
        wire.command("PING")
        tcp_proxy.freeze()
        wire.send("SET", key, "late")
        assert wire.is_silent(MOMENT)
    assert redis_server.command("GET", key) is None
    tcp_proxy.thaw()
    wait_until(lambda: redis_server.command("GET", key) == b"late", "the late command is executed")


def test_frozen_it_accepts_and_says_nothing(tcp_proxy, redis_server):
    """A new connection to a frozen link is made, as with a host that hangs."""
    before = redis_server.info("stats")["total_connections_received"]
    tcp_proxy.freeze()
    with Wire(*tcp_proxy.address, timeout=60) as wire:
        wire.send("PING")
        assert wire.is_silent(MOMENT)
    assert tcp_proxy.counts.accepted == 1
    after = redis_server.info("stats")["total_connections_received"]
    assert int(after) == int(before) + 1, "only the question itself has reached the server"


def test_only_the_answers_can_be_frozen(tcp_proxy, wire, redis_server, redis_namespace):
    """One direction: the command is executed and its answer stays away until the thaw."""
    wire.command("PING")
    before = tcp_proxy.counts
    tcp_proxy.freeze("down")
    wire.send("INCR", redis_namespace)
    wait_until(lambda: redis_server.command("GET", redis_namespace) == b"1", "the command is executed")
    wait_until(lambda: tcp_proxy.counts.down_read > before.down_read, "the answer has reached the proxy")
    assert tcp_proxy.counts.down_written == before.down_written
    tcp_proxy.thaw("down")
    assert wire.read() == 1


def test_a_frozen_link_hides_the_death_of_the_server(make_redis):
    """Not even the end of the connection passes: this is what a lost network looks like."""
    server = make_redis()
    with TcpProxy(server.address) as proxy, Wire(*proxy.address, timeout=60) as wire:
        wire.command("PING")
        proxy.freeze()
        server.kill()
        assert wire.is_silent(MOMENT)


def test_dropped_bytes_never_arrive(tcp_proxy, redis_server, redis_namespace):
    """What is dropped stays lost after heal()."""
    with Wire(*tcp_proxy.address, timeout=60) as wire:
        wire.command("PING")
        tcp_proxy.drop("up")
        wire.send("SET", redis_namespace, "lost")
        wait_until(lambda: tcp_proxy.counts.up_dropped > 0, "the command is swallowed")
        tcp_proxy.heal()
        assert wire.command("PING") == b"PONG"
    assert redis_server.command("GET", redis_namespace) is None


def test_a_cut_resets_all_connections(tcp_proxy):
    """Every client sees a reset at once; new connections are welcome."""
    with Wire(*tcp_proxy.address, timeout=60) as one, Wire(*tcp_proxy.address, timeout=60) as two:
        one.command("PING")
        two.command("PING")
        assert tcp_proxy.cut() == 2
        for wire in (one, two):
            with pytest.raises(ConnectionResetError):
                wire.read()
    assert tcp_proxy.counts.open == 0
    with Wire(*tcp_proxy.address, timeout=60) as again:
        assert again.command("PING") == b"PONG"


def test_refusing_is_for_new_connections(tcp_proxy, wire):
    """Old connections go on; new ones are refused until accept() listens on the same port again."""
    wire.command("PING")
    tcp_proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(tcp_proxy.address, timeout=60)
    assert wire.command("PING") == b"PONG"
    tcp_proxy.accept()
    with Wire(*tcp_proxy.address, timeout=60) as new:
        assert new.command("PING") == b"PONG"


def test_a_delay_is_never_shorter_than_ordered(tcp_proxy, wire):
    """Each way takes the delay; how much longer it takes is the machine's affair."""
    wire.command("PING")
    tcp_proxy.delay(0.05, jitter=0.05)
    began = time.monotonic()
    wire.command("PING")
    assert time.monotonic() - began >= 0.1
    tcp_proxy.delay(0.05, direction="up")
    began = time.monotonic()
    for _ in range(10):
        wire.send("PING")
    assert [wire.read() for _ in range(10)] == [b"PONG"] * 10
    assert time.monotonic() - began >= 0.05


def test_a_delay_keeps_the_order(tcp_proxy, wire):
    """Chance makes things late, never mixed up."""
    tcp_proxy.delay(0.0, jitter=0.02)
    for number in range(50):
        wire.send("ECHO", number)
    assert [int(wire.read()) for _ in range(50)] == list(range(50))


def test_a_throttle_lets_no_more_through(tcp_proxy, wire, redis_server):
    """20 kB at 100 kB/s take a fifth of a second at least."""
    redis_server.command("SET", "big", "x" * 20_000)
    tcp_proxy.throttle(100_000, direction="down")
    began = time.monotonic()
    assert len(wire.command("GET", "big")) == 20_000
    assert time.monotonic() - began >= 0.19
    tcp_proxy.throttle(None)


def test_a_target_that_refuses_is_a_reset(make_redis):
    """The proxy stands; the server behind it doesn't."""
    server = make_redis()
    with TcpProxy(server.address) as proxy:
        server.kill()
        # The reset may come so early that connecting fails of it.
        with pytest.raises(ConnectionError), Wire(*proxy.address, timeout=60) as wire:
            wire.command("PING")
        server.start()
        with Wire(*proxy.address, timeout=60) as wire:
            assert wire.command("PING") == b"PONG"


def test_the_url_of_the_server_becomes_the_url_of_the_proxy(tcp_proxy):
    """User, password, database and options stay; the address changes."""
    url = tcp_proxy.rewrite("redis://app:p%40ss@10.0.0.1:6379/3?timeout=1")
    assert url == f"redis://app:p%40ss@127.0.0.1:{tcp_proxy.port}/3?timeout=1"


def test_it_can_speak_tls_for_a_server_that_does_not(redis_server, redis_url, tmp_path):
    """Clients speak TLS to the proxy; every fault is to be had here too."""
    certificate = make_certificate(tmp_path)
    trust = certificate.client_context()
    with TcpProxy(redis_server.address, tls=certificate.server_context()) as proxy:
        with Wire(*proxy.address, timeout=60, tls=trust) as wire:
            assert wire.command("PING") == b"PONG"
            assert wire.command("QUIT") == b"OK"
        with Wire(*proxy.address, timeout=60, tls=trust) as wire:
            wire.command("PING")
            assert proxy.cut() >= 1
            with pytest.raises(OSError, match=r"reset|EOF|closed"):
                wire.read()


def test_a_tls_client_that_vanishes_leaves_nothing_behind(redis_server, tmp_path):
    """The client's end comes as a reset, and its TLS is over before the proxy looks: the server's side is closed too."""
    certificate = make_certificate(tmp_path)
    with TcpProxy(redis_server.address, tls=certificate.server_context()) as proxy:
        for _ in range(20):
            with Wire(*proxy.address, timeout=60, tls=certificate.client_context()) as wire:
                wire.command("PING")
                wire.send("ECHO", "x" * 100_000)
        wait_until(lambda: proxy.counts.open == 0, "every connection has ended on both sides")


async def test_it_works_while_the_loop_under_test_is_blocked(tcp_proxy, redis_server):
    """The proxy has its own thread: a blocked loop doesn't stop the network."""
    reader, writer = await asyncio.open_connection(*tcp_proxy.address)
    writer.write(b"PING\r\n")
    await writer.drain()
    wait_until(lambda: tcp_proxy.counts.down_written > 0, "the answer has passed although this loop stands still")
    assert await reader.readline() == b"+PONG\r\n"
    writer.close()
    await writer.wait_closed()


def test_closing_ends_thread_and_connections(redis_server):
    """Nothing is left; closing again does nothing, and neither does closing what never started."""
    proxy = TcpProxy(redis_server.address)
    proxy.start()
    with Wire(*proxy.address, timeout=60) as wire:
        wire.command("PING")
        proxy.close()
        with pytest.raises(ConnectionError):
            wire.command("PING")
    proxy.close()
    TcpProxy(redis_server.address).close()
