"""What is a hit, what is a miss, and what a change reaches."""

import asyncio
import inspect

import pytest

from examples.taskflow.tasks import router

pytestmark = pytest.mark.row("S0.29")

LIST = "/api/tasks/"


def of_tasks(statements):
    """The statements that ask for tasks; who is asking is looked up for every request."""
    return [sql for sql in statements if "FROM tasks" in sql]


async def listed(person, **query):
    reply = await person.http.get(LIST, params=query)
    assert reply.status_code == 200, reply.text
    return reply


@pytest.mark.row("S0.22", "S0.23", "S0.24", "S0.28")
async def test_the_second_list_comes_from_the_cache(ada, statements):
    """A hit is the same answer, and no statement about tasks."""
    await ada.create("Once")
    first = await listed(ada)
    statements.clear()
    second = await listed(ada)
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
    assert second.json() == first.json()
    assert of_tasks(statements) == []


@pytest.mark.row("S0.27", "S0.30")
def test_the_decorator_stands_at_the_route_to_the_letter():
    """What the documents write is what the application says."""
    assert '@cache_response(key="tasks_list", expire=300)\nasync def list_tasks(' in inspect.getsource(router)


@pytest.mark.row("S0.26")
async def test_a_cached_route_keeps_its_name_its_parameters_and_its_description(client):
    """FastAPI sees the function that was written, not a wrapper around it."""
    assert router.list_tasks.__name__ == "list_tasks"
    operation = (await client.get("/openapi.json")).json()["paths"][LIST]["get"]
    assert operation["operationId"] == "list_tasks"
    assert operation["description"].startswith("One page of the tasks")
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert names == {"status", "assignee", "due_before", "q", "sort", "limit", "offset"}
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/TaskPage")


@pytest.mark.row("F2.2")
async def test_the_same_request_of_two_users_is_two_entries(ada, ben):
    """Also at the same moment, and also from the cache."""
    await ada.create("Ada's own")
    await ben.create("Ben's own")
    for expected in ("miss", "hit"):
        replies = await asyncio.gather(*(listed(person) for person in (ada, ben, ada, ben)))
        titles = [[task["title"] for task in reply.json()["items"]] for reply in replies]
        assert titles == [["Ada's own"], ["Ben's own"]] * 2
        assert replies[-1].headers["X-Cache"] == expected or expected == "miss"


@pytest.mark.row("W21", "F2.2")
async def test_every_part_of_the_request_is_part_of_the_key(ada):
    """Another page, another order, another filter: another entry."""
    for number in range(3):
        await ada.create(f"task {number}", due_date="2030-01-01T00:00:00Z")
    for query in ({}, {"limit": 2}, {"offset": 1}, {"sort": "title"}, {"status": "todo"}, {"q": "task"}):
        assert (await listed(ada, **query)).headers["X-Cache"] == "miss"
    spelled = await listed(ada, sort="-created_at", limit=20, offset=0)
    assert spelled.headers["X-Cache"] == "hit"  # the defaults, spelled out


@pytest.mark.row("W22")
async def test_many_at_once_are_one_load(ada, statements):
    """Twenty equal requests ask the database once."""
    await ada.create("Wanted")
    statements.clear()
    replies = await asyncio.gather(*(listed(ada) for _ in range(20)))
    assert {reply.text for reply in replies} == {replies[0].text}
    assert len([sql for sql in of_tasks(statements) if "count(" in sql]) == 1


async def test_a_change_reaches_exactly_those_who_see_the_task(ada, ben, admin):
    """Owner, those who work on it, administrators: a miss. Everybody else: still a hit."""
    task = await ada.create("Ada's own")
    people = (ada, ben, admin)
    for person in people:
        await listed(person)
    await ada.http.patch(f"{LIST}{task['id']}", json={"status": "done"})
    assert [(await listed(person)).headers["X-Cache"] for person in people] == ["miss", "hit", "miss"]
    await ada.http.patch(f"{LIST}{task['id']}", json={"assignee_ids": [ben.id]})
    assert [(await listed(person)).headers["X-Cache"] for person in people] == ["miss", "miss", "miss"]


@pytest.mark.row("W12")
@pytest.mark.parametrize(
    ("body", "status"), [({"assignee_ids": []}, 403), ({"assignee_ids": [999]}, 403), ({"title": ""}, 422)]
)
async def test_a_refused_change_invalidates_nothing(ada, ben, body, status):
    """Only what was written makes a reader load again."""
    task = await ada.create("Shared", assignee_ids=[ben.id])
    await listed(ada)
    assert (await ben.http.patch(f"{LIST}{task['id']}", json=body)).status_code == status
    assert (await listed(ada)).headers["X-Cache"] == "hit"


@pytest.mark.row("W1")
async def test_a_single_task_is_one_entry_and_its_permission_is_checked_at_every_hit(ada, ben, admin, statements):
    """The owner, an administrator and a stranger ask for the same id: one statement, and three answers."""
    task = await ada.create("Ada's own")
    path = f"{LIST}{task['id']}"
    statements.clear()
    assert (await ada.http.get(path)).json() == task
    assert (await admin.http.get(path)).json() == task
    assert (await ben.http.get(path)).status_code == 404
    assert len(of_tasks(statements)) == 1


async def test_a_task_is_there_at_once_although_it_was_missing_before(ada):
    """'There is no such task' is remembered too, until that task is made."""
    path = f"{LIST}1"
    assert (await ada.http.get(path)).status_code == 404
    assert (await ada.http.get(path)).status_code == 404
    assert (await ada.create("The first"))["id"] == 1
    assert (await ada.http.get(path)).status_code == 200


async def test_statistics_come_from_the_cache_until_something_changes(ada, statements):
    """The same counts without a statement; another count after a change."""
    await ada.create("One")
    path = f"{LIST}statistics"
    first = (await ada.http.get(path)).json()
    statements.clear()
    assert (await ada.http.get(path)).json() == first
    assert of_tasks(statements) == []
    await ada.create("Two")
    assert (await ada.http.get(path)).json()["total"] == 2


@pytest.mark.row("W40")
async def test_readers_and_a_writer_at_once_end_with_the_last_write(ada):
    """However reads and writes interleave, a list that begins after a write shows it."""
    task = await ada.create("Contended")
    path = f"{LIST}{task['id']}"
    for status in ("in_progress", "done", "todo", "cancelled"):
        write = ada.http.patch(path, json={"status": status})
        await asyncio.gather(listed(ada), listed(ada), write, listed(ada), ada.http.get(path))
        assert [item["status"] for item in (await listed(ada)).json()["items"]] == [status]
        assert (await ada.http.get(path)).json()["status"] == status
