"""Tasks: what can be done with them, and who sees them.

The same laws hold with entries in the cache as without, so most tests ask before they change.
"""

import pytest


@pytest.mark.row("F0.1")
async def test_a_task_goes_through_its_life(ada):
    """Created, read, patched, replaced, deleted: each reading shows the writing before it."""
    made = await ada.create("Write", description="A page", due_date="2030-01-02T03:04:05+02:00")
    path = f"/api/tasks/{made['id']}"
    assert (await ada.http.get(path)).json() == made
    assert made["due_date"] == "2030-01-02T01:04:05Z"

    patched = (await ada.http.patch(path, json={"status": "done"})).json()
    assert patched == {**made, "status": "done", "updated_at": patched["updated_at"]}
    assert (await ada.http.get(path)).json() == patched

    replaced = (await ada.http.put(path, json={"title": "Rewrite"})).json()
    assert (replaced["title"], replaced["description"], replaced["due_date"]) == ("Rewrite", "", None)
    assert (await ada.http.get(path)).json() == replaced

    assert (await ada.http.delete(path)).status_code == 204
    assert (await ada.http.get(path)).status_code == 404


@pytest.mark.row("F0.1")
async def test_two_users_never_see_each_others_tasks(ada, ben):
    """Lists, single tasks and counts: the same request by another user is another answer."""
    hers = await ada.create("Ada's own")
    his = await ben.create("Ben's own")
    for _ in range(2):
        assert await ada.titles() == ["Ada's own"]
        assert await ben.titles() == ["Ben's own"]
        for person, own, other in ((ada, hers, his), (ben, his, hers)):
            assert (await person.http.get(f"/api/tasks/{own['id']}")).status_code == 200
            assert (await person.http.get(f"/api/tasks/{other['id']}")).status_code == 404
            assert (await person.http.get("/api/tasks/statistics")).json()["total"] == 1


async def test_administrators_see_every_task(ada, ben, admin):
    """Also those that appear after they looked."""
    await ada.create("Ada's own")
    assert await admin.titles() == ["Ada's own"]
    await ben.create("Ben's own")
    assert await admin.titles() == ["Ben's own", "Ada's own"]


@pytest.mark.row("F0.1")
async def test_an_assigned_user_sees_the_task_from_that_moment_until_they_are_taken_off(ada, ben):
    """Visibility follows the assignment, in lists, counts and single tasks."""
    task = await ada.create("Shared")
    path = f"/api/tasks/{task['id']}"
    assert await ben.titles() == []
    assert (await ben.http.get(path)).status_code == 404

    shared = (await ada.http.patch(path, json={"assignee_ids": [ben.id]})).json()
    assert [who["username"] for who in shared["assignees"]] == ["ben"]
    assert await ben.titles() == ["Shared"]
    assert (await ben.http.get(path)).status_code == 200
    assert (await ben.http.get("/api/tasks/statistics")).json()["total"] == 1

    await ada.http.patch(path, json={"assignee_ids": []})
    assert await ben.titles() == []
    assert (await ben.http.get(path)).status_code == 404


async def test_an_assigned_user_works_on_the_task_but_does_not_own_it(ada, ben):
    """They change its status, seen by the owner at once; deleting it and choosing its people is the owner's."""
    task = await ada.create("Shared", assignee_ids=[ben.id])
    path = f"/api/tasks/{task['id']}"
    assert await ada.titles(status="done") == []
    assert (await ben.http.patch(path, json={"status": "done"})).status_code == 200
    assert await ada.titles(status="done") == ["Shared"]
    assert (await ben.http.patch(path, json={"assignee_ids": []})).status_code == 403
    assert (await ben.http.delete(path)).status_code == 403
    assert (await ada.http.delete(path)).status_code == 204


@pytest.mark.parametrize("method", ["get", "delete"])
async def test_a_task_of_somebody_else_is_one_that_does_not_exist(ada, ben, method):
    """The answer is the same to the letter, so nobody can probe for ids."""
    task = await ada.create("Ada's own")
    foreign = await ben.http.request(method, f"/api/tasks/{task['id']}")
    unknown = await ben.http.request(method, f"/api/tasks/{task['id'] + 1000}")
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["detail"].replace(str(task["id"]), "") == unknown.json()["detail"].replace(
        str(task["id"] + 1000), ""
    )


async def test_filters_narrow_the_list(ada, ben):
    """Status, assignee, due date and text, each alone and together."""
    await ada.create("Paint 100% of it", status="done", due_date="2030-01-01T00:00:00Z")
    await ada.create("Paint it", description="the fence", assignee_ids=[ben.id], due_date="2031-01-01T00:00:00Z")
    await ada.create("Sell it")
    assert await ada.titles(status="done") == ["Paint 100% of it"]
    assert await ada.titles(assignee=ben.id) == ["Paint it"]
    assert await ada.titles(due_before="2030-06-01T00:00:00Z") == ["Paint 100% of it"]
    assert await ada.titles(q="FENCE") == ["Paint it"]
    assert await ada.titles(q="100%") == ["Paint 100% of it"]
    assert await ada.titles(q="paint", status="todo") == ["Paint it"]


async def test_pages_follow_each_other_without_gap_or_repetition(ada):
    """Every task is on exactly one page, in the order asked for, and the total is that of all pages."""
    names = [f"task {number}" for number in range(7)]
    for name in names:
        await ada.create(name, due_date="2030-01-01T00:00:00Z")
    pages = [await ada.titles(sort="due_date", limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [title for page in pages for title in page] == names
    assert await ada.titles(sort="-title", limit=2) == ["task 6", "task 5"]
    assert (await ada.http.get("/api/tasks/", params={"limit": 3})).json()["total"] == 7


async def test_statistics_count_by_status_and_lateness(ada):
    """Done tasks are never late."""
    await ada.create("late", due_date="2020-01-01T00:00:00Z")
    await ada.create("was late", due_date="2020-01-01T00:00:00Z", status="done")
    assert (await ada.http.get("/api/tasks/statistics")).json() == {
        "total": 2,
        "by_status": {"todo": 1, "in_progress": 0, "done": 1, "cancelled": 0},
        "overdue": 1,
    }
    await ada.create("new")
    assert (await ada.http.get("/api/tasks/statistics")).json()["total"] == 3


async def test_a_longer_list_takes_no_more_statements(ada, ben, statements):
    """No N+1: the people of all tasks come with one statement."""
    seen = []
    for size in (1, 12):
        while len(await ada.titles(limit=100)) < size:
            await ada.create("Shared", assignee_ids=[ben.id])
        statements.clear()
        await ada.titles(limit=100, sort="title" if size == 1 else "-title")
        seen.append(len([sql for sql in statements if sql.startswith("SELECT")]))
    assert seen[0] == seen[1] <= 4


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"title": " "}, 422),
        ({"title": "x" * 201}, 422),
        ({"title": "x", "owner_id": 1}, 422),
        ({"title": "x", "status": "lost"}, 422),
        ({"title": "x", "assignee_ids": [999]}, 422),
        ({}, 422),
    ],
)
async def test_a_task_that_makes_no_sense_is_refused_with_a_reason(ada, body, status):
    """Nothing is stored, and the answer says what is wrong."""
    reply = await ada.http.post("/api/tasks/", json=body)
    assert reply.status_code == status
    assert reply.json()["detail"]
    assert await ada.titles() == []


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"sort": "owner"}, {"page": 2}, {"status": "x"}])
async def test_a_filter_that_does_not_exist_is_refused(ada, query):
    """A misspelt filter is an error, not the whole list."""
    assert (await ada.http.get("/api/tasks/", params=query)).status_code == 422
