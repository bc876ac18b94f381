"""What is kept of projects, what a change costs, and what it leaves alone."""

import asyncio

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from evercache import MISSING
from evercache.core.events import Invalidated
from examples.taskflow.cache import cache
from examples.taskflow.projects import caching
from examples.taskflow.projects.cache_service import ProjectCacheService
from examples.taskflow.projects.config import ProjectCacheConfig
from examples.taskflow.projects.enhanced import EnhancedProjectService
from examples.taskflow.projects.events import CacheInvalidationEvent, EventType
from examples.taskflow.projects.schemas import (
    ClassificationCreate,
    DocumentCreate,
    InteractionCreate,
    PredicateCreate,
    ProjectFilter,
    ProjectResponse,
    ProjectUpdate,
)
from examples.taskflow.projects.service import ProjectService

ROOT = "/api/projects/"
CLASSIFICATION = ClassificationCreate(device_class="II", regulatory_pathway="510k", confidence_score=0.9)
PREDICATE = PredicateCreate(k_number="K123456", device_name="Pulse oximeter", confidence_score=0.8)
DOCUMENT = DocumentCreate(filename="plan.pdf", file_path="files/plan.pdf", document_type="plan")
INTERACTION = InteractionCreate(agent_action="classify", confidence_score=0.7, execution_time_ms=1200)
EVERYTHING = ("detail", "dashboard", "export", "list", "search", "stats")
READS = {
    "detail": "{id}",
    "dashboard": "{id}/dashboard",
    "export": "{id}/export",
    "list": "",
    "search": "search?search=pump",
    "stats": "stats",
}
WRITES = {
    EventType.PROJECT_UPDATE: lambda do, id, user: do.update_project(id, user, ProjectUpdate(description="Changed")),
    EventType.CLASSIFICATION_UPDATE: lambda do, id, user: do.add_classification(id, user, CLASSIFICATION),
    EventType.PREDICATE_UPDATE: lambda do, id, user: do.add_predicate(id, user, PREDICATE),
    EventType.DOCUMENT_UPDATE: lambda do, id, user: do.add_document(id, user, DOCUMENT),
    EventType.INTERACTION_UPDATE: lambda do, id, user: do.add_interaction(id, user, INTERACTION),
}
UNTOUCHED_BY_PARTS = {"detail", "list", "search", "stats"}


async def made(person, name="Pump", **fields):
    reply = await person.http.post(ROOT, json={"name": name, **fields})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def asked(person, kind, project_id):
    reply = await person.http.get(ROOT + READS[kind].format(id=project_id))
    assert reply.status_code == 200, reply.text
    return reply


async def fill(person, project_id):
    return {kind: (await asked(person, kind, project_id)).content for kind in EVERYTHING}


async def fresh(person_id, project_id):
    """Which kinds of answers are in the cache."""
    calls = {
        "detail": caching.detail.peek(project_id),
        "dashboard": caching.dashboard.peek(project_id),
        "export": caching.export.peek(project_id, "json"),
        "list": caching.listing.peek(person_id, ProjectFilter()),
        "search": caching.found.peek(person_id, ProjectFilter(search="pump")),
        "stats": caching.stats.peek(person_id),
    }
    return {kind for kind, call in calls.items() if await call is not MISSING}


def of_projects(statements):
    """The statements that ask for anything but users."""
    return [sql for sql in statements if sql.startswith("SELECT") and "FROM users" not in sql]


@pytest.mark.row("S4.1", "S4.2", "S4.5", "S4.22", "S4.56", "S4.59", "W15")
@pytest.mark.parametrize("kind", EVERYTHING)
async def test_what_was_asked_before_is_answered_without_the_database(ada, statements, kind):
    """The same answer, to the letter, and no statement about projects."""
    project = await made(ada)
    first = await asked(ada, kind, project["id"])
    statements.clear()
    second = await asked(ada, kind, project["id"])
    assert second.content == first.content
    assert of_projects(statements) == []


@pytest.mark.row("W15", "S4.34")
async def test_a_cached_project_is_the_project_to_the_type(app, ada):
    """Status, times and all: what comes back is what went in, not texts of it."""
    project = ProjectResponse.model_validate(await made(ada, status="in_progress"))
    loaded = await caching.detail(project.id)
    kept = await caching.detail.peek(project.id)
    assert loaded == kept == project
    assert type(kept.status) is type(project.status)


@pytest.mark.row("W21", "F2.2")
async def test_every_part_of_a_search_is_part_of_its_key(ada):
    """Another limit, another page, another status, a list instead of a search: another answer."""
    for number in range(3):
        await made(ada, f"Pump {number}")
    for query, number in (({}, 3), ({"limit": 2}, 2), ({"offset": 1}, 2), ({"limit": 1, "offset": 1}, 1)):
        for _ in range(2):
            reply = await ada.http.get(ROOT + "search", params={"search": "pump", **query})
            assert len(reply.json()["items"]) == number
            reply = await ada.http.get(ROOT, params=query)
            assert len(reply.json()["items"]) == number
    assert (await ada.http.get(ROOT, params={"search": "pump", "status": "completed"})).json()["total"] == 0


@pytest.fixture
async def enhanced(database):
    """The service over one session, with this configuration; nothing is warmed after a write."""
    async with database.session() as db:
        yield lambda **config: EnhancedProjectService(db, ProjectCacheService(ProjectCacheConfig(**config)))


@pytest.mark.row("S4.3", "S4.14", "S4.20", "S4.52", "S4.53", "S4.54", "S4.57")
@pytest.mark.parametrize("kind", WRITES)
async def test_a_change_costs_what_shows_it_and_leaves_the_rest(enhanced, ada, ben, kind):
    """A project: all about it. A part of it: dashboard and export. Other projects, other users: nothing."""
    project, other, foreign = await made(ada), await made(ada), await made(ben)
    for person, each in ((ada, project), (ada, other), (ben, foreign)):
        await fill(person, each["id"])
    await WRITES[kind](enhanced(), project["id"], ada.id)
    left = set() if kind is EventType.PROJECT_UPDATE else UNTOUCHED_BY_PARTS
    assert await fresh(ada.id, project["id"]) == left
    assert {"detail", "dashboard", "export"} <= await fresh(ada.id, other["id"])
    assert await fresh(ben.id, foreign["id"]) == set(EVERYTHING)


@pytest.mark.row("F4.8", "S4.57")
@pytest.mark.parametrize(
    ("flag", "kind"),
    [
        ("INVALIDATE_ON_PROJECT_UPDATE", EventType.PROJECT_UPDATE),
        ("INVALIDATE_RELATED_ON_CLASSIFICATION_UPDATE", EventType.CLASSIFICATION_UPDATE),
        ("INVALIDATE_RELATED_ON_PREDICATE_UPDATE", EventType.PREDICATE_UPDATE),
    ],
)
async def test_a_flag_switches_one_rule_off(enhanced, ada, flag, kind):
    """Nothing is forgotten for that event then, and everything for the others."""
    project = await made(ada)
    await fill(ada, project["id"])
    await WRITES[kind](enhanced(**{flag: False}), project["id"], ada.id)
    assert await fresh(ada.id, project["id"]) == set(EVERYTHING)
    await WRITES[kind](enhanced(), project["id"], ada.id)
    assert await fresh(ada.id, project["id"]) != set(EVERYTHING)


@pytest.mark.row("S4.55")
async def test_everything_of_one_user_can_be_forgotten(app, ada, ben):
    """And nothing of another one."""
    hers, his = await made(ada), await made(ben)
    await fill(ada, hers["id"])
    await fill(ben, his["id"])
    done = await ProjectCacheService().invalidate(CacheInvalidationEvent("user_update", 0, str(ada.id)))
    assert done.success
    assert await fresh(ada.id, hers["id"]) == set()
    assert await fresh(ben.id, his["id"]) == set(EVERYTHING)


@pytest.mark.row("S4.3", "S4.20", "W40")
@pytest.mark.parametrize("kind", WRITES)
async def test_a_write_is_in_the_very_next_answer_of_every_route(ada, kind):
    """Never stale after a write: what is asked after it is what the database says, in every kind of answer."""
    project = await made(ada)
    await fill(ada, project["id"])
    requests = {
        EventType.PROJECT_UPDATE: ("PUT", "", {"description": "Changed"}),
        EventType.CLASSIFICATION_UPDATE: ("POST", "/classifications", CLASSIFICATION.model_dump()),
        EventType.PREDICATE_UPDATE: ("POST", "/predicates", PREDICATE.model_dump()),
        EventType.DOCUMENT_UPDATE: ("POST", "/documents", DOCUMENT.model_dump()),
        EventType.INTERACTION_UPDATE: ("POST", "/interactions", INTERACTION.model_dump()),
    }
    method, path, body = requests[kind]
    assert (await ada.http.request(method, f"{ROOT}{project['id']}{path}", json=body)).is_success
    seen = await fill(ada, project["id"])
    await cache.invalidate_all()
    assert await fill(ada, project["id"]) == seen


@pytest.mark.row("W40")
async def test_readers_and_a_writer_at_once_end_with_the_last_write(ada):
    """However reads and writes interleave, an answer that is asked for after a write shows it."""
    project = await made(ada)
    path = f"{ROOT}{project['id']}"
    for number in range(5):
        write = ada.http.put(path, json={"name": f"Pump {number}"})
        await asyncio.gather(asked(ada, "list", 0), ada.http.get(path), write, asked(ada, "dashboard", project["id"]))
        for kind in ("detail", "dashboard", "list", "export"):
            assert f"Pump {number}" in (await asked(ada, kind, project["id"])).text


@pytest.mark.row("W12", "W40")
async def test_a_refused_or_failed_write_makes_nobody_load_again(enhanced, ada, ben, database):
    """Not found, not valid, and a commit that fails: everything stays fresh, and the database stays as it was."""
    project = await made(ada)
    kept = await fill(ada, project["id"])
    path = f"{ROOT}{project['id']}"
    assert (await ben.http.put(path, json={"name": "Taken"})).status_code == 404
    assert (await ada.http.put(path, json={"name": ""})).status_code == 422
    assert (await ada.http.post(f"{path}/classifications", json={})).status_code == 422

    def refuse(_connection):
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    event.listen(database.engine.sync_engine, "commit", refuse)
    with pytest.raises(OperationalError):
        await enhanced().update_project(project["id"], ada.id, ProjectUpdate(name="Lost"))
    event.remove(database.engine.sync_engine, "commit", refuse)
    assert await fresh(ada.id, project["id"]) == set(EVERYTHING)
    assert await fill(ada, project["id"]) == kept
    await cache.invalidate_all()
    assert await fill(ada, project["id"]) == kept


@pytest.mark.row("W40")
async def test_what_is_forgotten_is_forgotten_after_the_commit(ada, enhanced, database):
    """Before it, a reader could load the old state again, and nobody would say that it is old."""
    project = await made(ada)
    await fill(ada, project["id"])
    order = []
    event.listen(database.engine.sync_engine, "commit", lambda _: order.append("committed"))
    forget = cache.observe(lambda seen: order.append("forgotten") if isinstance(seen, Invalidated) else None)
    await enhanced().update_project(project["id"], ada.id, ProjectUpdate(name="Later"))
    forget()
    assert order == ["committed", "forgotten"]


@pytest.mark.row("F4.8", "S4.11")
async def test_an_event_says_what_it_has_done(app, ada):
    """Type, project, user, time, how many entries, and whether it worked."""
    project = await made(ada)
    await fill(ada, project["id"])
    happened = CacheInvalidationEvent(
        "classification_update", project["id"], str(ada.id), metadata={"updated_fields": ["device_class"]}
    )
    assert happened.updated_fields == ("device_class",)
    done = (await ProjectCacheService().invalidate(happened)).to_dict()
    assert done == {
        "event_type": "classification_update",
        "project_id": project["id"],
        "user_id": str(ada.id),
        "timestamp": happened.timestamp.isoformat(),
        "invalidated_keys": done["invalidated_keys"],
        "exact": True,
        "success": True,
        "error": None,
    }
    assert done["invalidated_keys"] >= 2  # dashboard and export; replies made of them
    unknown = await ProjectCacheService().invalidate(CacheInvalidationEvent("earthquake", 1, "1"))
    assert (unknown.success, unknown.error) == (False, "unknown event type 'earthquake'")


@pytest.mark.row("F4.8")
async def test_the_service_tells_what_has_changed(app, ada, enhanced):
    """The event of an update names the fields that were sent."""
    told = []

    class Listening(ProjectCacheService):
        async def invalidate(self, event):
            told.append(event)
            return await super().invalidate(event)

    service = enhanced()
    service.cache = Listening()
    project = await made(ada)
    await service.update_project(project["id"], ada.id, ProjectUpdate(name="New", status="completed"))
    (happened,) = told
    assert (happened.event_type, happened.project_id, happened.user_id) == (
        "project_update",
        project["id"],
        str(ada.id),
    )
    assert happened.updated_fields == ("name", "status")


@pytest.mark.row("S4.33", "S4.34", "S4.24")
async def test_the_cache_service_looks_and_keeps_without_a_database(app, ada, statements):
    """What isn't there is None; what was kept is what comes back."""
    project = ProjectResponse.model_validate(await made(ada))
    await cache.invalidate_all()
    service = ProjectCacheService()
    statements.clear()
    assert await service.get_project_detail(project.id) is None
    assert await service.get_project_dashboard(project.id) is None
    assert await service.cache_project_detail(project.id, project)
    assert await service.get_project_detail(project.id) == project
    assert statements == []


@pytest.mark.row("F4.8")
@pytest.mark.parametrize(
    ("config", "warm"),
    [
        ({}, {"detail", "dashboard"}),
        ({"WARM_DASHBOARD_ON_PROJECT_CHANGE": False}, {"detail"}),
        ({"WARM_CACHE_ON_UPDATE": False}, set()),
    ],
)
async def test_after_a_write_what_is_looked_at_next_is_loaded_again(database, ada, config, warm):
    """Behind the reply, and as the flags say."""
    project = await made(ada)
    await fill(ada, project["id"])
    after = []
    async with database.session() as db:
        cached = ProjectCacheService(ProjectCacheConfig(**config))
        service = EnhancedProjectService(db, cached, lambda work, *args: after.append(work(*args)))
        await service.update_project(project["id"], ada.id, ProjectUpdate(name="New"))
    assert await fresh(ada.id, project["id"]) == set()
    for work in after:
        await work
    assert await fresh(ada.id, project["id"]) == warm


@pytest.mark.row("F4.8", "S4.17", "S4.23")
async def test_a_warming_that_fails_breaks_nothing(database, ada, caplog):
    """It is said in the log; the write has been done."""
    project = await made(ada)
    await cache.invalidate_all()
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE projects RENAME TO gone"))
    await ProjectCacheService().warm(CacheInvalidationEvent("project_update", project["id"], str(ada.id)))
    assert f"Project {project['id']} was not warmed" in caplog.text


@pytest.mark.row("S4.5", "S4.31")
async def test_with_and_without_a_cache_the_answers_are_the_same(enhanced, database, ada):
    """The service without a cache is the measure; the other one is the same service with less work."""
    project = await made(ada, device_type="pump")
    wanted = ProjectFilter(search="pump")
    async with database.session() as db:
        plain, fast = ProjectService(db), enhanced()
        assert isinstance(fast, ProjectService)
        for _ in range(2):
            for service in (plain, fast):
                assert (await service.get_project(project["id"], ada.id)).name == "Pump"
                assert (await service.get_dashboard(project["id"], ada.id)).predicate_count == 0
                assert (await service.list_projects(ada.id, wanted)).total == 1
                assert (await service.get_stats(ada.id)).draft == 1
            exports = [await each.export_project(project["id"], ada.id, "json") for each in (plain, fast)]
            assert exports[0] == exports[1]


@pytest.mark.row("W39", "F4.7")
@pytest.mark.parametrize("kind", [EventType.PROJECT_UPDATE, EventType.PREDICATE_UPDATE])
async def test_a_change_costs_the_exports_in_every_format(enhanced, ada, kind):
    """JSON and PDF are two entries of one kind, and go together."""
    project = await made(ada)
    for format_type in ("json", "pdf"):
        reply = await ada.http.get(f"{ROOT}{project['id']}/export", params={"format_type": format_type})
        assert reply.status_code == 200
        assert await caching.export.peek(project["id"], format_type) == reply.content
    await WRITES[kind](enhanced(), project["id"], ada.id)
    for format_type in ("json", "pdf"):
        assert await caching.export.peek(project["id"], format_type) is MISSING
