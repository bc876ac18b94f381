"""Projects and a real Redis: what stands in it, for how long, and what another process makes of it."""

import pytest

from evercache.testing.servers import RedisServer, wait_until
from examples.taskflow.projects.config import ProjectCacheConfig

ROOT = "/api/projects/"
CLASSIFICATION = {"device_class": "II", "regulatory_pathway": "510k", "confidence_score": 0.9}
READS = ("{id}", "{id}/dashboard", "{id}/export", "{id}/export?format_type=pdf", "", "search?search=pump", "stats")
TTLS = {
    b"detail": "PROJECT_DETAIL_TTL",
    b"dashboard": "PROJECT_DASHBOARD_TTL",
    b"export": "PROJECT_EXPORT_TTL",
    b"list": "PROJECT_LIST_TTL",
    b"search": "PROJECT_SEARCH_TTL",
    b"stats": "PROJECT_STATS_TTL",
}
QUIET = {"ENABLE_BACKGROUND_WARMING": "false", "WARM_CACHE_ON_UPDATE": "false"}


def entries(redis, kind):
    return redis.command("KEYS", f"*:e:project:{kind.decode()}*")


def answers(client, project_id):
    replies = {path: client.get(ROOT + path.format(id=project_id)) for path in READS}
    assert {reply.status_code for reply in replies.values()} == {200}
    return {path: reply.content for path, reply in replies.items()}


@pytest.mark.row("S4.7", "S4.16", "S4.18", "S4.19", "W15", "W27", "W28")
def test_what_one_process_has_loaded_another_one_answers_with(launch):
    """Each kind stands in Redis under its name, for its own time and never without end; a process that starts later
    answers with it, to the letter, and sees a change at once."""
    with RedisServer() as redis:
        server = launch(REDIS_URL=redis.url, **QUIET)
        wait_until(server.answers, "TaskFlow answers", seconds=90)
        with server.signed_in() as client:
            project_id = client.post(ROOT, json={"name": "Pump"}).json()["id"]
            first = answers(client, project_id)
            wait_until(lambda: all(entries(redis, kind) for kind in TTLS), "every kind is in Redis", seconds=30)
        for kind, name in TTLS.items():
            for entry in entries(redis, kind):
                assert 0 < redis.command("PTTL", entry) <= getattr(ProjectCacheConfig(), name) * 1000
        assert len(entries(redis, b"export")) == 2
        assert all(redis.command("PTTL", key) > 0 for key in redis.command("KEYS", "*:e:*"))
        server.stop()

        server = launch(REDIS_URL=redis.url, **QUIET)
        wait_until(server.answers, "TaskFlow answers again", seconds=90)
        with server.signed_in() as client:
            assert answers(client, project_id) == first
            said = client.get(f"{ROOT}{project_id}").headers["Cache-Status"]
            assert "hit" in said
            redis.command("CONFIG", "RESETSTAT")
            reply = client.post(f"{ROOT}{project_id}/classifications", json=CLASSIFICATION)
            assert reply.status_code == 201
            # Nobody looks for keys, so how many there are makes no difference.
            used = redis.command("INFO", "commandstats")
            assert b"cmdstat_" in used
            assert not any(name in used for name in (b"cmdstat_scan", b"cmdstat_keys", b"cmdstat_unlink"))
            now = answers(client, project_id)
        changed = {path for path in READS if now[path] != first[path]}
        assert changed == {"{id}/dashboard", "{id}/export", "{id}/export?format_type=pdf"}
        assert "Traceback" not in server.said


@pytest.mark.row("S4.17", "S4.22", "S4.23")
def test_without_its_redis_every_project_route_answers(launch):
    """From the database, also what was changed a moment ago; nobody gets an error."""
    with RedisServer() as redis:
        server = launch(REDIS_URL=redis.url, **QUIET)
        wait_until(server.answers, "TaskFlow answers", seconds=90)
        with server.signed_in() as client:
            project_id = client.post(ROOT, json={"name": "Pump"}).json()["id"]
            before = answers(client, project_id)
            redis.stop()
            assert answers(client, project_id).keys() == before.keys()
            assert client.put(f"{ROOT}{project_id}", json={"name": "Pump 2"}).status_code == 200
            for path in ("{id}", "{id}/dashboard", "{id}/export", "", "search?search=pump"):
                assert b"Pump 2" in client.get(ROOT + path.format(id=project_id)).content
        assert "Traceback" not in server.said
