"""TaskFlow and a real Redis: what stands in it, and what happens when it goes."""

import pytest

from evercache.testing.servers import RedisServer, wait_until

LIST = "/api/tasks/"


@pytest.mark.row("S0.25", "S0.32")
def test_redis_shows_the_entry_and_it_ends_after_five_minutes(launch):
    """The list is there under its name, never without an end, and its key holds nothing readable about anybody."""
    with RedisServer() as redis:
        server = launch(REDIS_URL=redis.url)
        wait_until(server.answers, "TaskFlow answers", seconds=90)
        with server.signed_in() as client:
            client.get(LIST, params={"q": "confidential"})
            wait_until(lambda: redis.command("KEYS", "*tasks_list*"), "the list is in Redis", seconds=30)
        keys = redis.command("KEYS", "*")
        entries = [key for key in keys if b":e:" in key]
        (entry,) = [key for key in entries if b":e:tasks_list" in key]
        assert 0 < redis.command("PTTL", entry) <= 300_000
        assert all(redis.command("PTTL", key) > 0 for key in entries)
        assert not any(b"confidential" in key or b"admin" in key for key in keys)


@pytest.mark.row("S0.13", "S0.15", "S0.16", "S0.17")
def test_the_connection_is_opened_at_start_said_in_the_log_and_closed_at_the_end(launch):
    """One application, one life: connected while it serves, gone with it."""
    with RedisServer() as redis:
        server = launch(REDIS_URL=redis.url)
        wait_until(server.answers, "TaskFlow answers", seconds=90)
        wait_until(lambda: server.cache_health()["status"] == "healthy", "the cache is healthy", seconds=30)
        assert "Redis: connected" in server.said
        assert clients(redis) > 0
        server.stop()
        wait_until(lambda: clients(redis) == 0, "no connection is left", seconds=30)
        assert "Traceback" not in server.said


@pytest.mark.row("S0.16")
def test_the_connection_is_closed_when_the_application_fails_to_start(launch):
    """A database that can't be opened ends the start; the cache, which had started, is stopped."""
    with RedisServer() as redis:
        server = launch(REDIS_URL=redis.url, DATABASE_URL="sqlite:////nowhere/at/all.db")
        assert server.process.wait(60) != 0
        assert "unable to open database file" in server.said
        wait_until(lambda: clients(redis) == 0, "no connection is left", seconds=30)


@pytest.mark.row("S0.17", "S2.98")
def test_without_its_redis_taskflow_starts_says_so_and_serves(launch):
    """Nobody listens at REDIS_URL: each request is answered from the database, and health says what is missing."""
    redis = RedisServer()
    try:
        server = launch(REDIS_URL=redis.url)
        wait_until(server.answers, "TaskFlow answers", seconds=90)
        assert server.cache_health()["status"] == "down"
        assert "its cache is down" in server.said
        with server.signed_in() as client:
            make_and_list(client, "made without Redis")
    finally:
        redis.close()


@pytest.mark.row("S2.98", "S2.102", "W23", "W36")
def test_redis_dies_and_comes_back_and_nobody_notices(launch):
    """No request fails, no answer is old, and the cache finds its server again by itself."""
    with RedisServer() as redis:
        server = launch(REDIS_URL=redis.url)
        wait_until(server.answers, "TaskFlow answers", seconds=90)
        with server.signed_in() as client:
            make_and_list(client, "before")
            redis.kill()
            for number in range(5):
                make_and_list(client, f"while it is away, {number}")
            wait_until(lambda: server.cache_health()["status"] == "down", "health says so", seconds=30)
            redis.start()
            wait_until(lambda: server.cache_health()["status"] == "healthy", "the cache is healthy", seconds=30)
            make_and_list(client, "after")
            wait_until(lambda: client.get(LIST).headers["X-Cache"] == "hit", "lists are hits again", seconds=30)


def make_and_list(client, title):
    """A new task is the first of the very next list."""
    made = client.post(LIST, json={"title": title})
    assert made.status_code == 201, made.text
    reply = client.get(LIST)
    assert reply.status_code == 200, reply.text
    assert reply.json()["items"][0]["title"] == title


def clients(redis):
    """How many connections Redis has, but for the one that asks."""
    return len(redis.command("CLIENT", "LIST").splitlines()) - 1
