"""Whole responses in the cache: for one viewer behind the guards, or for everybody by a rule."""

import pytest


def said(reply) -> str:
    return reply.headers["Cache-Status"]


@pytest.mark.row("S2.4", "S2.34")
async def test_a_client_that_has_the_task_is_told_so_until_it_changes(ada):
    """200 with a tag, then 304 without a body; after a change the same question gets the new task."""
    made = await ada.create("Write")
    path = f"/api/tasks/{made['id']}"
    first = await ada.http.get(path)
    assert first.json() == made
    again = await ada.http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "hit" in said(again)

    await ada.http.patch(path, json={"title": "Write more"})
    changed = await ada.http.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, changed.json()["title"]) == (200, "Write more")
    assert changed.headers["ETag"] != first.headers["ETag"]


@pytest.mark.row("W9")
async def test_a_response_is_its_viewers_alone(ada, ben, admin):
    """The same URL, asked by three people while the first one's answer is cached: nobody gets another one's."""
    made = await ada.create("Ada's own")
    path = f"/api/tasks/{made['id']}"
    for _ in range(2):
        mine = await ada.http.get(path)
        assert mine.status_code == 200
        assert mine.headers["Cache-Control"] == "private"
        assert (await ben.http.get(path)).status_code == 404
        assert (await admin.http.get(path)).status_code == 200
    assert "hit" in said(await ada.http.get(path))


async def test_the_guards_of_a_route_run_for_every_hit(ada):
    """A cached response is no way around the sign-in."""
    made = await ada.create("Ada's own")
    path = f"/api/tasks/{made['id']}"
    await ada.http.get(path)
    assert "hit" in said(await ada.http.get(path))
    refused = await ada.http.get(path, headers={"Authorization": "Bearer nonsense"})
    assert refused.status_code == 401


async def test_a_response_goes_when_what_it_was_made_of_changes(ada):
    """The statistics name no tag of their own: they carry that of the cached function they were read from."""
    await ada.create("One")
    path = "/api/tasks/statistics"
    assert (await ada.http.get(path)).json()["total"] == 1
    assert "hit" in said(await ada.http.get(path))
    await ada.create("Two")
    assert (await ada.http.get(path)).json()["total"] == 2


@pytest.mark.row("S2.35")
async def test_what_everybody_sees_is_cached_by_rules(client):
    """The page and its files, for each rule its own time."""
    for path, ttl in (("/", 10), ("/landing/landing.js", 3600), ("/openapi.json", 3600)):
        miss, hit = await client.get(path), await client.get(path)
        assert "fwd=uri-miss" in said(miss)
        assert "hit" in said(hit)
        assert int(said(hit).rpartition("ttl=")[2]) <= ttl
        assert hit.content == miss.content
