"""What is warm before it is asked for: by hand, after a change, and in the background."""

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from evercache import MISSING
from evercache.warming import CacheWarmingResult
from examples.taskflow.cache import cache
from examples.taskflow.db import utc_now
from examples.taskflow.projects import caching
from examples.taskflow.projects.config import CacheWarmingConfig
from examples.taskflow.projects.models import Project, ProjectStatus
from examples.taskflow.projects.schemas import ProjectFilter
from examples.taskflow.projects.warming import CacheWarmingService
from examples.taskflow.settings import Settings


@pytest.fixture
def warming(app):
    """A service that keeps warm as soon as it is entered, and asks who is active every second."""
    return CacheWarmingService(CacheWarmingConfig(BACKGROUND_TASK_INTERVAL=1, LOADS_PER_SECOND=1000))


@pytest.fixture
def add(database):
    """Stores a project, without telling the cache; *hours* ago it was changed."""

    async def add(person, name="Pump", status=ProjectStatus.DRAFT, hours=0):
        changed = utc_now() - timedelta(hours=hours)
        project = Project(user_id=person.id, name=name, status=status, created_at=changed, updated_at=changed)
        async with database.session() as db:
            db.add(project)
            await db.commit()
        return project.id

    return add


async def is_warm(function, *arguments):
    return await function.peek(*arguments) is not MISSING


async def until(holds, what, seconds=60):
    """Waits for a fact."""
    end = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.02)


@pytest.mark.row("S4.35", "S4.36", "S4.37", "S4.58", "F4.9")
async def test_the_dashboards_of_a_user_are_loaded_by_hand(warming, ada, ben, add, statements):
    """All of them, and nobody else's; then a dashboard needs no statement. The result says how many."""
    ids = [await add(ada) for _ in range(3)]
    foreign = await add(ben)
    result = await warming.warm_user_dashboard_caches(str(ada.id))
    assert isinstance(result, CacheWarmingResult)
    assert (result.operation_type, result.success) == ("dashboard_warming", True)
    assert (result.items_warmed, result.items_failed, result.errors) == (6, 0, ())
    assert result.duration_seconds > 0
    assert not await is_warm(caching.dashboard, foreign)
    statements.clear()
    for project_id in ids:
        assert (await ada.http.get(f"/api/projects/{project_id}/dashboard")).status_code == 200
    assert [sql for sql in statements if "FROM users" not in sql] == []


@pytest.mark.row("W17", "S4.37")
async def test_warming_loads_what_is_cold_and_leaves_what_is_fresh(warming, ada, add):
    """A second run does nothing; after a change it loads what the change has made cold."""
    project_id = await add(ada)
    await warming.warm_user_dashboard_caches(ada.id)
    again = await warming.warm_user_dashboard_caches(ada.id)
    assert (again.items_warmed, again.items_fresh) == (0, 2)
    await cache.invalidate_tags(f"project:{project_id}:parts")
    after = await warming.warm_user_dashboard_caches(ada.id)
    assert (after.items_warmed, after.items_fresh) == (1, 1)


@pytest.mark.row("S4.38", "S4.58", "F4.9")
@pytest.mark.parametrize(
    ("config", "order"),
    [
        ({}, ["at work, new", "at work, old", "draft, new", "done"]),
        ({"WARM_ACTIVE_PROJECTS_FIRST": False}, ["draft, new", "done", "at work, new", "at work, old"]),
        ({"MAX_PROJECTS_PER_BATCH": 2}, ["at work, new", "at work, old"]),
        ({"MIN_PROJECTS_FOR_WARMING": 5}, []),
    ],
)
async def test_active_projects_come_first_and_among_them_the_last_changed(app, ada, add, config, order):
    """The order of warming is that in which somebody is likely to look; flags and bounds decide."""
    ids = {
        await add(ada, "at work, old", ProjectStatus.IN_PROGRESS, hours=9): "at work, old",
        await add(ada, "done", ProjectStatus.COMPLETED, hours=2): "done",
        await add(ada, "draft, new", ProjectStatus.DRAFT, hours=1): "draft, new",
        await add(ada, "at work, new", ProjectStatus.IN_PROGRESS, hours=3): "at work, new",
    }
    service = CacheWarmingService(CacheWarmingConfig(**config))
    assert [ids[each] for each in await service.projects_of(ada.id)] == order


@pytest.mark.row("S4.58", "F4.9")
async def test_lists_and_statistics_are_loaded_by_hand(warming, ada, add):
    """The list of all, one for each status, the numbers; each run under its own name."""
    await add(ada)
    results = await warming.warm_all_user_caches(ada.id)
    assert [each.operation_type for each in results] == ["dashboard_warming", "project_list_warming", "stats_warming"]
    assert [each.items_warmed for each in results] == [2, 4, 1]
    for wanted in (ProjectFilter(), *(ProjectFilter(status=status) for status in ProjectStatus)):
        assert await is_warm(caching.listing, ada.id, wanted)
    assert await is_warm(caching.stats, ada.id)


@pytest.mark.row("S4.58")
async def test_a_user_warms_their_own_through_the_api(ada, ben, add):
    """And learns what was done; nobody warms for somebody else."""
    project_id, foreign = await add(ada), await add(ben)
    reply = await ada.http.post("/api/projects/warm")
    assert reply.status_code == 200
    assert [each["operation_type"] for each in reply.json()] == [
        "dashboard_warming",
        "project_list_warming",
        "stats_warming",
    ]
    assert all(each["success"] for each in reply.json())
    assert await is_warm(caching.dashboard, project_id)
    assert not await is_warm(caching.dashboard, foreign)


@pytest.mark.row("F4.9", "S4.39", "S4.67")
async def test_who_has_changed_a_project_lately_is_active(app, ada, ben, admin, add):
    """The last ones first, at most as many as allowed; somebody who was here yesterday morning is not."""
    await add(ada, hours=5)
    await add(ben, hours=1)
    await add(admin, hours=30)
    service = CacheWarmingService(CacheWarmingConfig())
    assert await service.get_active_users_for_warming() == [ben.id, ada.id]
    assert await service.get_active_users_for_warming(hours_back=48) == [ben.id, ada.id, admin.id]
    assert await CacheWarmingService(CacheWarmingConfig(MAX_ACTIVE_USERS=1)).get_active_users_for_warming() == [ben.id]


@pytest.mark.row("S4.4", "S4.15", "S4.21", "S4.39", "S4.67", "W17")
async def test_in_the_background_active_users_find_everything_warm(warming, ada, ben, add):
    """Also what was invalidated, and also what came later; those who are away are left alone."""
    project_id, away = await add(ada), await add(ben, hours=100)
    wanted = [
        (caching.detail, project_id),
        (caching.dashboard, project_id),
        (caching.stats, ada.id),
        (caching.listing, ada.id, ProjectFilter()),
    ]

    async def all_warm():
        return all([await is_warm(*each) for each in wanted])

    async with warming:
        await until(all_warm, "everything of an active user is warm")
        assert not await is_warm(caching.dashboard, away)
        await cache.invalidate_tags(f"owner:{ada.id}")
        await until(all_warm, "it is warm again")
        later = await add(ben)
        await until(lambda: is_warm(caching.dashboard, later), "somebody who comes back is found at the next look")
        assert warming.health_check()["background"] == "working"
    assert warming.health_check()["background"] == "off"


@pytest.mark.row("S4.39")
async def test_the_background_task_ends_when_it_is_cancelled(warming, ada, add):
    """It works until then, and leaves nothing running."""
    project_id = await add(ada)
    task = asyncio.create_task(warming.background_cache_warming_task())
    await until(lambda: is_warm(caching.dashboard, project_id), "the task warms")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert warming.health_check()["background"] == "off"


@pytest.mark.row("S4.63", "F4.9")
async def test_a_variable_switches_the_background_off(app, ada, add):
    """By hand it works all the same. The defaults are those that are written down."""
    assert Settings.from_environment({}).warming == CacheWarmingConfig(ENABLE_BACKGROUND_WARMING=True)
    config = Settings.from_environment({"ENABLE_BACKGROUND_WARMING": "false"}).warming
    assert config.ENABLE_BACKGROUND_WARMING is False
    assert (config.BACKGROUND_TASK_INTERVAL, config.MAX_PROJECTS_PER_BATCH) == (1800, 50)
    async with CacheWarmingService(config) as service:
        assert service.health_check()["background"] == "off"
        assert service.health_check()["enabled"] is False
        await add(ada)
        assert (await service.warm_user_dashboard_caches(ada.id)).items_warmed == 2


@pytest.mark.row("S4.17", "F4.9")
@pytest.mark.expects_logs
async def test_a_database_that_fails_is_a_result_and_no_error(warming, database, ada, add):
    """What failed is counted and named, without anybody's data."""
    await add(ada)
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE predicate_devices RENAME TO gone"))
    result = await warming.warm_user_dashboard_caches(ada.id)
    assert (result.success, result.items_warmed, result.items_failed) == (False, 1, 1)
    assert "OperationalError" in result.errors[0]
