"""`RedisClient` against a stub on a socket: nothing is patched, no server is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from evercache import errors
from evercache.core.duration import FOREVER
from evercache.stores.redis.client import RedisClient
from evercache.stores.redis.registry import ClientRegistry, get_redis_client
from tests.unit.resp_stub import RespStub

PATIENT = "60s"  # for calls that must not run out of time because the machine is busy


@pytest.fixture
async def stub() -> AsyncIterator[RespStub]:
    async with RespStub() as stub:
        yield stub


@pytest.fixture
async def client(stub: RespStub) -> AsyncIterator[RedisClient]:
    client = RedisClient(stub.url, operation_timeout=PATIENT, connect_timeout=PATIENT, pool_wait=PATIENT)
    yield client
    await client.disconnect()


@pytest.mark.row("S0.5", "S0.6", "S1.17", "S1.18", "S1.25")
@pytest.mark.parametrize("spelling", [{"url": "redis://nowhere.invalid:1"}, {"redis_url": "redis://nowhere.invalid:1"}])
def test_making_a_client_does_no_io(spelling: dict[str, str]) -> None:
    """A client may stand at module level: no socket, no loop, no name lookup, whatever the URL."""
    for client in (RedisClient(**spelling), RedisClient(*spelling.values())):
        assert client.settings.url == "redis://nowhere.invalid:1"


@pytest.mark.row("S0.14")
@pytest.mark.parametrize("url", ["redis://localhost:6379", "redis://localhost:6379/0"])
def test_the_default_server_is_localhost(url: str) -> None:
    """With and without the database number, and without any URL, it is the same server."""
    assert RedisClient(url).settings.address == RedisClient().settings.address


def test_two_urls_that_differ_are_refused() -> None:
    """Nobody can mean both."""
    with pytest.raises(errors.ConfigurationError, match="two servers"):
        RedisClient("redis://a", redis_url="redis://b")


def test_a_misspelled_setting_is_refused_at_once() -> None:
    """A setting that nobody reads is worse than an error."""
    with pytest.raises(errors.ConfigurationError, match="did you mean max_connections"):
        RedisClient("redis://a", max_conections=3)


@pytest.mark.row("S0.7", "S0.17", "S0.34")
async def test_connect_opens_a_connection_and_says_so(
    client: RedisClient, stub: RespStub, caplog: pytest.LogCaptureFixture
) -> None:
    """connect() returns True and logs the status, without the password; once more changes nothing."""
    caplog.set_level(logging.INFO, "evercache")
    assert await client.connect()
    assert await client.connect()
    assert await client.initialize()
    assert stub.connections == 1
    assert {record.code for record in caplog.records} == {"redis_connected"}


@pytest.mark.row("S0.7", "S0.17", "W23")
async def test_connect_to_a_dead_server_returns_false_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """The start of an application never fails because Redis is away."""
    client = RedisClient("redis://127.0.0.1:1")
    assert not await client.connect()
    await client.disconnect()
    assert {"redis_down", "redis_connect_failed"} <= {record.code for record in caplog.records}


@pytest.mark.row("S0.8", "S1.24", "S0.34")
async def test_disconnect_closes_everything_and_may_be_repeated(client: RedisClient, stub: RespStub) -> None:
    """Afterwards no socket and no task is left (the audit of every test looks); the next call opens again."""
    await client.connect()
    await client.disconnect()
    await client.close()
    assert await client.set("k", 1)
    assert stub.connections == 2


@pytest.mark.row("S0.8")
async def test_disconnect_before_any_call_does_nothing(client: RedisClient, stub: RespStub) -> None:
    """Order and number of open and close don't matter."""
    await client.disconnect()
    assert stub.connections == 0


@pytest.mark.row("S1.24")
async def test_a_block_connects_and_disconnects(stub: RespStub) -> None:
    """`async with` is connect() and disconnect()."""
    async with RedisClient(stub.url) as client:
        assert await client.set("k", 1)
    assert stub.connections == 1


@pytest.mark.row("S0.9", "S0.10", "S0.34", "S1.10", "S1.21", "S1.22")
@pytest.mark.parametrize("value", [None, True, 0, -1.5, "é\n", [], {"a": [1, {"b": None}]}, 2**70])
async def test_plain_values_come_back_and_are_json_in_redis(client: RedisClient, stub: RespStub, value: object) -> None:
    """What JSON can say is stored as JSON, so that redis-cli shows it."""
    import json

    assert await client.set("k", value)
    assert await client.get("k") == value
    if value != 2**70:
        assert json.loads(stub.data[b"k"]) == value


@pytest.mark.row("S1.10", "S2.24")
@pytest.mark.parametrize("value", [(1, "a"), {1: "a"}, {1, 2}, b"\x00\xff", Decimal("1.10"), float("inf")])
async def test_rich_values_come_back_as_what_they_were(client: RedisClient, value: object) -> None:
    """JSON would turn a tuple into a list and 1 into "1"; such values travel by the typed codec, never by pickle."""
    assert await client.set("k", value)
    back = await client.get("k")
    assert (back, type(back)) == (value, type(value))


@pytest.mark.row("S1.21")
async def test_absent_is_none_or_the_default(client: RedisClient) -> None:
    """get() of nothing is None, unless told otherwise."""
    assert await client.get("nothing") is None
    assert await client.get("nothing", "fallback") == "fallback"


async def test_a_stored_none_can_be_told_from_nothing(client: RedisClient) -> None:
    """None is a value."""
    await client.set("k", None)
    assert await client.get("k", "fallback") is None
    assert await client.exists("k")
    assert not await client.exists("nothing")


@pytest.mark.row("S0.10", "S1.11", "S1.22")
@pytest.mark.parametrize(
    ("expiry", "sent"),
    [
        ({}, None),
        ({"expire": 300}, b"300000"),
        ({"ttl": 300}, b"300000"),
        ({"ttl": "5m"}, b"300000"),
        ({"ttl": 0.25}, b"250"),
        ({"ttl": FOREVER}, None),
    ],
)
async def test_both_names_of_the_expiry(
    client: RedisClient, stub: RespStub, expiry: dict[str, object], sent: bytes | None
) -> None:
    """ttl and expire mean the same; without either a value doesn't expire."""
    assert await client.set("k", 1, **expiry)
    assert stub.named(b"SET")[-1][3:] == ([] if sent is None else [b"PX", sent])


@pytest.mark.row("S1.22")
async def test_the_default_ttl_is_used_when_none_is_given(stub: RespStub) -> None:
    """`RedisClient(default_ttl=3600)` is the client whose set() has ttl=3600."""
    async with RedisClient(url=stub.url, default_ttl=3600) as client:
        await client.set("k", 1)
        await client.set("k", 1, 60)
    assert [command[4] for command in stub.named(b"SET")] == [b"3600000", b"60000"]


@pytest.mark.parametrize("wrong", [{"ttl": 0}, {"expire": -1}, {"ttl": 1, "expire": 1}, {"ttl": True}, {"ttl": "soon"}])
async def test_a_wrong_expiry_is_the_callers_error(
    client: RedisClient, stub: RespStub, wrong: dict[str, object]
) -> None:
    """Wrong arguments raise, also when nothing has been sent yet."""
    with pytest.raises(errors.ConfigurationError):
        await client.set("k", 1, **wrong)
    assert stub.connections == 0


@pytest.mark.parametrize("key", ["", None, 7, b"k"])
async def test_a_wrong_key_is_the_callers_error(client: RedisClient, key: object) -> None:
    """Nothing is turned into text by itself: 7 and "7" would meet."""
    with pytest.raises(errors.ConfigurationError, match="non-empty text"):
        await client.get(key)


@pytest.mark.row("S1.23", "S2.25")
async def test_delete_says_whether_there_was_something(client: RedisClient) -> None:
    """True once."""
    await client.set("k", 1)
    assert [await client.delete("k"), await client.delete("k")] == [True, False]


@pytest.mark.row("W23")
@pytest.mark.parametrize("value", [object(), {"a": object()}, "\ud800", lambda: None])
async def test_a_value_without_a_form_is_not_stored_and_not_an_error(
    client: RedisClient, stub: RespStub, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    """The caller has computed it and keeps it; the log says it once, without the value."""
    assert not await client.set("k", value)
    assert not await client.set("k", value)
    assert stub.commands == []
    assert [record.code for record in caplog.records] == ["value_not_stored"]
    assert client.stats.to_dict()["errors"] == 2


@pytest.mark.expects_logs
async def test_a_value_that_is_too_large_is_never_sent(stub: RespStub) -> None:
    """One large value stalls everybody's commands."""
    async with RedisClient(stub.url, max_value="1kb") as client:
        assert not await client.set("k", "x" * 2000)
    assert stub.named(b"SET") == []


@pytest.mark.expects_logs
@pytest.mark.parametrize("data", [b"", b"hello", b"M\x00\xff", b"\x80\x04\x95", b'{"a":', b"J1"])
async def test_foreign_bytes_are_a_miss(client: RedisClient, stub: RespStub, data: bytes) -> None:
    """Whatever lies in Redis: no exception, and nothing but data is built from it."""
    stub.data[b"k"] = data
    assert await client.get("k") is None
    assert client.stats.to_dict()["misses"] == 1


@pytest.mark.row("S2.110")
async def test_switched_off_means_no_reads_and_no_fills_but_deletes(stub: RespStub) -> None:
    """The kill switch takes the cache out of the picture, and lets nobody keep what was invalidated meanwhile."""
    stub.data[b"k"] = b"1"
    client = RedisClient(stub.url, enabled=False)
    assert await client.get("k") is None
    assert not await client.set("k", 2)
    assert not await client.exists("k")
    assert stub.commands == []
    assert await client.delete("k")
    assert stub.data == {}
    await client.disconnect()


@pytest.mark.row("S2.25", "F2.1")
async def test_counts(client: RedisClient) -> None:
    """hits, misses, sets, deletes, errors; in all and for each type of data."""
    await client.set("a", 1, cache_type="users")
    await client.get("a", cache_type="users")
    await client.get("b")
    await client.delete("a", cache_type="users")
    total = client.stats.to_dict()
    assert total.pop("uptime_seconds") >= 0
    assert total == {
        "hits": 1, "misses": 1, "sets": 1, "deletes": 1, "errors": 0, "hit_rate": 0.5, "total_operations": 4,
    }  # fmt: skip
    assert client.stats.by_type()["users"]["hit_rate"] == 1.0
    assert client.stats.to_dict("default")["misses"] == 1


@pytest.mark.row("W23", "S2.26", "FT1")
async def test_a_refused_connection_costs_one_attempt(caplog: pytest.LogCaptureFixture) -> None:
    """get gives None, set gives False, delete gives False; the log says it once."""
    async with RespStub() as stub:
        url = stub.url
    client = RedisClient(url)
    for _ in range(20):
        assert await client.get("k") is None
        assert not await client.set("k", 1)
        assert not await client.delete("k")
    assert [record.code for record in caplog.records] == ["redis_down"]
    assert client.stats.to_dict()["errors"] == 60
    assert client.stats.to_dict()["misses"] == 0
    assert [error["reason"] for error in client.stats.recent_errors] == ["refused"]
    await client.disconnect()


@pytest.mark.row("W25", "FT2", "S2.28")
@pytest.mark.expects_logs
async def test_a_server_that_hangs_is_asked_once(stub: RespStub) -> None:
    """
    The first call pays its time-out; until a probe succeeds nobody else asks. No call carries a probe: GET is sent once.
    """
    client = RedisClient(stub.url, operation_timeout="500ms", connect_timeout=PATIENT)
    assert await client.set("k", 1)
    stub.silent = True
    assert await client.get("k") is None
    for _ in range(500):
        assert await client.get("k") is None
    assert len(stub.named(b"GET")) == 1
    stub.speak()
    while await client.get("k") is None:
        await asyncio.sleep(0)
    await client.disconnect()


@pytest.mark.row("W24", "S1.4", "S1.9", "S1.14", "S1.32", "S2.1", "S2.99", "FT5")
@pytest.mark.parametrize("callers", [300, 1000])
async def test_more_callers_than_connections_wait_for_their_turn(stub: RespStub, callers: int) -> None:
    """50 connections serve 1,000 callers at once: no error, every value, and no 51st connection."""
    client = RedisClient(
        stub.url, max_connections=50, operation_timeout=PATIENT, connect_timeout=PATIENT, pool_wait=PATIENT
    )
    stored = await asyncio.gather(*(client.set(f"k{i}", i) for i in range(callers)))
    values = await asyncio.gather(*(client.get(f"k{i}") for i in range(callers)))
    await client.disconnect()
    assert all(stored)
    assert values == list(range(callers))
    assert client.stats.to_dict()["errors"] == 0
    assert stub.most_at_once <= 50


@pytest.mark.row("S2.99", "FT5")
async def test_waiting_too_long_is_overload_and_not_an_outage(stub: RespStub, caplog: pytest.LogCaptureFixture) -> None:
    """The third caller of one connection gives up; Redis is not declared dead for it."""
    client = RedisClient(
        stub.url, max_connections=1, pool_wait="10ms", operation_timeout=PATIENT, connect_timeout=PATIENT
    )
    await client.set("k", 1)
    stub.silent = True
    first = asyncio.create_task(client.get("k"))
    await stub.heard(b"GET", 1)
    assert await client.get("k") is None
    stub.speak()
    assert await first == 1
    assert await client.get("k") == 1
    assert [record.code for record in caplog.records] == ["redis_pool"]
    await client.disconnect()


@pytest.mark.row("FT6")
@pytest.mark.parametrize("refusal", [b"OOM command not allowed", b"MISCONF can't save", b"NOREPLICAS too few"])
async def test_a_server_that_refuses_writes_is_still_read(
    client: RedisClient, stub: RespStub, caplog: pytest.LogCaptureFixture, refusal: bytes
) -> None:
    """Writes fail quietly, reads go on, health says degraded, and a write that passes ends it."""
    await client.set("k", 1)
    stub.errors[b"SET"] = refusal
    assert not await client.set("k", 2)
    assert await client.get("k") == 1
    health = await client.health_check()
    assert (health["status"], health["connected"]) == ("degraded", True)
    assert health["advice"]
    del stub.errors[b"SET"]
    assert await client.set("k", 2)
    assert (await client.health_check())["status"] == "healthy"
    assert len(caplog.records) == 1


@pytest.mark.row("F2.1")
async def test_health_has_the_last_five_errors_of_a_hundred(client: RedisClient) -> None:
    """Enough to see what is going on, not enough to fill a page."""
    for number in range(120):
        client.stats.remember("get", "timeout", str(number))
    assert len(client.stats.recent_errors) == 100
    health = await client.health_check()
    assert [error["message"] for error in health["errors"]] == ["115", "116", "117", "118", "119"]


@pytest.mark.row("F2.1")
@pytest.mark.expects_logs
async def test_health_of_a_dead_server_has_reason_and_advice() -> None:
    """unhealthy, why, and what to do; never the password."""
    client = RedisClient("redis://user:hunter2@127.0.0.1:1")
    health = await client.health_check()
    assert (health["status"], health["reason"]) == ("unhealthy", "refused")
    assert "start the server" in health["advice"]
    assert "hunter2" not in str(health) + repr(client)
    await client.disconnect()


@pytest.mark.row("F2.1", "S2.29")
async def test_cache_result_computes_once_for_equal_calls(client: RedisClient) -> None:
    """Spelling doesn't matter, types do; None is a result; the function keeps its name."""
    calls: list[object] = []

    @client.cache_result("users", ttl=60)
    async def load(user_id: object, *, lang: str = "en") -> object:
        """Load it."""
        calls.append(user_id)

    assert (load.__name__, load.__doc__) == ("load", "Load it.")
    for _ in range(2):
        await load(1)
        await load(user_id=1, lang="en")
        await load("1")
        await load(True)
    assert calls == [1, "1", True]


@pytest.mark.expects_logs
async def test_cache_result_without_redis_is_the_function() -> None:
    """Its value and its exception reach the caller as if there were no cache."""
    client = RedisClient("redis://127.0.0.1:1")

    @client.cache_result("numbers")
    async def inverse(number: int) -> float:
        return 1 / number

    assert await inverse(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        await inverse(0)
    await client.disconnect()


@pytest.mark.row("S1.19", "S1.20")
async def test_redis_py_is_within_reach(client: RedisClient, stub: RespStub) -> None:
    """`pool` and `client` are redis-py's own, bounded and decoding."""
    assert client.pool.max_connections == 50
    await client.set("k", "value")
    assert await client.client.get("k") == '"value"'
    assert client.client is client.client


@pytest.mark.row("S1.19", "S1.20", "S1.25")
def test_pool_and_client_exist_before_any_loop() -> None:
    """They can be handed on at import; nothing is opened."""
    client = RedisClient("redis://nowhere.invalid:1", max_connections=7)
    assert client.pool.max_connections == 7
    assert client.client.connection_pool is client.pool


@pytest.mark.row("S0.11")
def test_the_factory_gives_the_same_client_for_the_same_server() -> None:
    """Two spellings of one server are one client; another database is another."""
    clients = ClientRegistry()
    assert clients.get("redis://localhost:6379") is clients.get("redis://localhost:6379/0")
    assert clients.get("redis://localhost:6379") is not clients.get("redis://localhost:6379/1")
    assert get_redis_client() is get_redis_client()


@pytest.mark.row("S0.11", "S0.8")
async def test_the_registry_closes_what_it_gave_out(stub: RespStub) -> None:
    """One call at the end of an application."""
    clients = ClientRegistry()
    await clients.get(stub.url).set("k", 1)
    await clients.close_all()
    assert clients.get(stub.url).stats.to_dict()["sets"] == 0


def test_one_client_serves_several_event_loops() -> None:
    """Connections belong to a loop; a client at module level meets a new one in every test."""

    async def find_port() -> int:
        async with RespStub() as stub:
            return stub.port

    async def use(client: RedisClient) -> object:
        async with RespStub(port):
            await client.set("k", 1)
            value = await client.get("k")
            await client.disconnect()
            return value

    port = asyncio.run(find_port())
    client = RedisClient(f"redis://127.0.0.1:{port}", operation_timeout=PATIENT, connect_timeout=PATIENT)
    assert client.pool.max_connections == 50
    assert [asyncio.run(use(client)) for _ in range(3)] == [1, 1, 1]
