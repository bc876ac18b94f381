"""Projects: what can be done with them, and that nobody but their owner sees them, cached or not."""

import io

import pytest
from pypdf import PdfReader

from examples.taskflow.projects.config import ProjectCacheConfig
from examples.taskflow.users.models import Role

ROOT = "/api/projects/"
CLASSIFICATION = {"device_class": "II", "regulatory_pathway": "510k", "confidence_score": 0.9, "product_code": "DQA"}
PREDICATE = {"k_number": "K123456", "device_name": "Pulse oximeter", "confidence_score": 0.8}
DOCUMENT = {"filename": "plan.pdf", "file_path": "files/plan.pdf", "document_type": "plan", "metadata": {"pages": 3}}
INTERACTION = {"agent_action": "classify", "confidence_score": 0.7, "execution_time_ms": 1200}
SECRET = "Oximeter <for> newborns"

PATHS = {
    "list": "",
    "list, filtered": "?status=draft&limit=20",
    "search": "search?search=newborns",
    "stats": "stats",
    "detail": "{id}",
    "dashboard": "{id}/dashboard",
    "export": "{id}/export",
    "export as PDF": "{id}/export?format_type=pdf",
}
WRITES = {
    "update": ("PUT", "{id}", {"name": "Taken"}),
    "delete": ("DELETE", "{id}", None),
    "classify": ("POST", "{id}/classifications", CLASSIFICATION),
    "predicate": ("POST", "{id}/predicates", PREDICATE),
    "decide": ("PUT", "{id}/predicates/1", {"is_selected": True}),
    "document": ("POST", "{id}/documents", DOCUMENT),
    "interaction": ("POST", "{id}/interactions", INTERACTION),
}


async def made(person, name=SECRET, **fields):
    reply = await person.http.post(ROOT, json={"name": name, **fields})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def asked(person, path, project_id):
    return await person.http.get(ROOT + path.format(id=project_id))


async def added(person, project_id, kind, body):
    reply = await person.http.post(f"{ROOT}{project_id}/{kind}", json=body)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def complete(person, project_id):
    """Everything that a project may have."""
    await added(person, project_id, "classifications", CLASSIFICATION)
    predicate = await added(person, project_id, "predicates", PREDICATE)
    await added(person, project_id, "documents", DOCUMENT)
    await added(person, project_id, "interactions", INTERACTION)
    return predicate


@pytest.mark.row("F4.1", "F4.6")
async def test_a_project_goes_through_its_life(ada):
    """Created, read, changed, deleted: each reading shows the writing before it."""
    project = await made(ada, description="Small", device_type="oximeter")
    path = f"{ROOT}{project['id']}"
    assert (project["user_id"], project["status"]) == (ada.id, "draft")
    assert (await ada.http.get(path)).json() == project
    changed = (await ada.http.put(path, json={"status": "completed"})).json()
    assert changed == {**project, "status": "completed", "updated_at": changed["updated_at"]}
    assert (await ada.http.get(path)).json() == changed
    assert (await ada.http.delete(path)).status_code == 204
    assert (await ada.http.get(path)).status_code == 404
    assert (await ada.http.get(ROOT)).json()["total"] == 0


@pytest.mark.row("W1", "S4.32")
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("stranger", ["member", "administrator"])
async def test_nobody_reads_a_project_of_somebody_else(ada, sign_in, path, stranger):
    """Whatever is cached for its owner, and whoever asks: to others the project does not exist, to the letter."""
    project = await made(ada)
    await complete(ada, project["id"])
    other = await sign_in("other", Role.ADMIN if stranger == "administrator" else Role.MEMBER)
    for warm in (False, True, True):
        for each in PATHS.values() if warm else ():
            assert (await asked(ada, each, project["id"])).status_code == 200
        reply = await asked(other, path, project["id"])
        assert "newborns" not in reply.text
        assert b"newborns" not in reply.content
        if "{id}" in path:
            unknown = await asked(other, path, 4711)
            assert (reply.status_code, unknown.status_code) == (404, 404)
            assert reply.text.replace(str(project["id"]), "") == unknown.text.replace("4711", "")
        else:
            assert reply.status_code == 200
            assert reply.json()["total"] == 0
    assert (await asked(ada, path, project["id"])).status_code == 200


@pytest.mark.row("W1")
@pytest.mark.parametrize(("method", "path", "body"), WRITES.values(), ids=WRITES)
async def test_nobody_changes_a_project_of_somebody_else(ada, ben, method, path, body):
    """Every write is refused as if there were no such project, and changes nothing."""
    project = await made(ada)
    await complete(ada, project["id"])
    before = (await asked(ada, "{id}/dashboard", project["id"])).json()
    reply = await ben.http.request(method, ROOT + path.format(id=project["id"]), json=body)
    assert reply.status_code == 404
    assert (await asked(ada, "{id}/dashboard", project["id"])).json() == before


@pytest.mark.row("W1")
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_no_project_route_answers_without_a_token(ada, client, path):
    """Also where the answer is cached for its owner."""
    project = await made(ada)
    assert (await asked(ada, path, project["id"])).status_code == 200
    reply = await client.get(ROOT + path.format(id=project["id"]))
    assert reply.status_code == 401


@pytest.mark.row("W1")
async def test_an_owner_who_is_switched_off_reads_nothing_more(ada, admin):
    """A cached project is no way around the guard."""
    project = await made(ada)
    assert (await asked(ada, "{id}", project["id"])).status_code == 200
    await admin.http.patch(f"/api/users/{ada.id}", json={"is_active": False})
    assert (await asked(ada, "{id}", project["id"])).status_code == 401


@pytest.mark.row("F4.4", "F4.2", "F4.3")
async def test_the_dashboard_shows_how_far_a_project_is(ada):
    """Four steps: pending at first, completed one by one, and what to do next becomes less."""
    project = await made(ada)
    seen = (await asked(ada, "{id}/dashboard", project["id"])).json()
    assert seen["project"] == project
    assert seen["progress"]["overallProgress"] == 0
    assert len(seen["progress"]["nextActions"]) == 4
    predicate = await complete(ada, project["id"])
    seen = (await asked(ada, "{id}/dashboard", project["id"])).json()
    assert seen["progress"]["classification"]["status"] == "completed"
    assert seen["progress"]["classification"]["confidenceScore"] == 0.9
    assert seen["progress"]["predicateSearch"] == {
        "status": "in_progress",
        "confidenceScore": None,
        "completedAt": None,
    }
    decision = {"is_selected": True, "comparison_data": {"similar": True}}
    path = f"{ROOT}{project['id']}/predicates/{predicate['id']}"
    assert (await ada.http.put(path, json=decision)).status_code == 200
    seen = (await asked(ada, "{id}/dashboard", project["id"])).json()
    assert seen["progress"]["overallProgress"] == 100
    assert seen["progress"]["nextActions"] == []
    assert seen["statistics"] == {
        "totalPredicates": 1,
        "selectedPredicates": 1,
        "averageConfidence": 0.8,
        "completionPercentage": 100.0,
        "documentsCount": 1,
        "agentInteractions": 1,
    }
    assert (seen["predicate_count"], seen["document_count"], seen["classification_status"]) == (1, 1, "completed")


@pytest.mark.row("F4.4")
async def test_the_dashboard_shows_the_latest_classification_and_the_last_ten_acts(ada):
    """Older ones are in the export."""
    project = await made(ada)
    for device_class in ("I", "III"):
        await added(ada, project["id"], "classifications", {**CLASSIFICATION, "device_class": device_class})
    for number in range(12):
        await added(ada, project["id"], "interactions", {**INTERACTION, "agent_action": f"act {number}"})
    seen = (await asked(ada, "{id}/dashboard", project["id"])).json()
    assert seen["classification"]["device_class"] == "III"
    assert [each["agent_action"] for each in seen["recent_activity"]] == [f"act {n}" for n in range(11, 1, -1)]
    exported = (await asked(ada, "{id}/export", project["id"])).json()
    assert (len(exported["classifications"]), len(exported["interactions"])) == (2, 12)


@pytest.mark.row("F4.5")
async def test_filters_narrow_the_list_and_pages_follow_each_other(ada):
    """Text in three columns, status, type of device; no page repeats another."""
    await made(ada, "Pump", description="100% safe", device_type="pump", status="completed")
    await made(ada, "Lamp", device_type="lamp 100", status="draft")
    await made(ada, "Watch", description="a PUMP on the wrist", device_type="lamp 100")

    async def names(**query):
        return [each["name"] for each in (await ada.http.get(ROOT, params=query)).json()["items"]]

    assert await names() == ["Watch", "Lamp", "Pump"]
    assert await names(search="pump") == ["Watch", "Pump"]
    assert await names(search="100%") == ["Pump"]
    assert await names(device_type="lamp 100") == ["Watch", "Lamp"]
    assert await names(search="pump", status="draft") == ["Watch"]
    assert [*await names(limit=2), *await names(limit=2, offset=2)] == ["Watch", "Lamp", "Pump"]
    assert (await ada.http.get(ROOT + "search", params={"search": "lamp"})).json()["total"] == 2
    for query in ({"limit": 0}, {"limit": 101}, {"offset": -1}, {"status": "lost"}, {"page": 2}):
        assert (await ada.http.get(ROOT, params=query)).status_code == 422
    assert (await ada.http.get(ROOT + "search")).status_code == 422


@pytest.mark.row("F4.5")
async def test_stats_count_by_status(ada):
    """And say when the last project changed."""
    assert (await asked(ada, "stats", 0)).json()["last_updated"] is None
    for status in ("draft", "in_progress", "completed"):
        last = await made(ada, status, status=status)
    assert (await asked(ada, "stats", 0)).json() == {
        "total": 3,
        "draft": 1,
        "in_progress": 1,
        "completed": 1,
        "completion_rate": 33.3,
        "last_updated": last["updated_at"],
    }


@pytest.mark.row("F4.5", "F4.6")
async def test_an_export_holds_everything_as_json_and_as_pdf(ada):
    """The same content twice; text is never markup, and a text longer than a page goes on on the next one."""
    project = await made(ada, description="Ω & <b>bold</b>")
    await complete(ada, project["id"])
    await added(ada, project["id"], "classifications", {**CLASSIFICATION, "reasoning": "because it is so " * 580})
    reply = await asked(ada, "{id}/export", project["id"])
    assert reply.headers["Content-Disposition"] == f'attachment; filename="project-{project["id"]}.json"'
    exported = reply.json()
    assert exported["project"] == project
    assert exported["documents"][0]["metadata"] == {"pages": 3}
    reply = await asked(ada, "{id}/export?format_type=pdf", project["id"])
    assert reply.headers["Content-Type"] == "application/pdf"
    pages = PdfReader(io.BytesIO(reply.content)).pages
    text = "\n".join(page.extract_text() for page in pages)
    assert len(pages) > 2
    for words in (SECRET, "<b>bold</b>", "K123456", "plan.pdf", "classify"):
        assert words in text
    assert (await ada.http.get(f"{ROOT}{project['id']}/export?format_type=docx")).status_code == 422


async def test_what_belongs_to_a_project_goes_with_it(ada):
    """A project that gets the number of a deleted one begins with nothing."""
    project = await made(ada)
    await complete(ada, project["id"])
    await asked(ada, "{id}/dashboard", project["id"])
    await ada.http.delete(f"{ROOT}{project['id']}")
    again = await made(ada, "Another")
    assert again["id"] == project["id"]
    seen = (await asked(ada, "{id}/dashboard", again["id"])).json()
    assert (seen["project"]["name"], seen["predicate_count"], seen["classification"]) == ("Another", 0, None)


async def test_a_predicate_of_another_project_is_not_found(ada):
    """The number alone opens nothing."""
    first, second = await made(ada), await made(ada)
    predicate = await added(ada, first["id"], "predicates", PREDICATE)
    path = f"{ROOT}{second['id']}/predicates/{predicate['id']}"
    assert (await ada.http.put(path, json={"is_selected": True})).status_code == 404


@pytest.mark.row("S4.25", "S4.26", "S4.27", "S4.28", "S4.29", "S4.30", "S4.19", "F4.8")
def test_each_kind_of_answer_has_its_own_time_which_can_be_set():
    """The defaults; the environment; a sentence for what is no number."""
    config = ProjectCacheConfig()
    assert config.PROJECT_DETAIL_TTL == 1800
    assert config.PROJECT_DASHBOARD_TTL == 300
    assert config.PROJECT_LIST_TTL == 600
    assert config.PROJECT_EXPORT_TTL == 3600
    assert config.PROJECT_STATS_TTL == 900
    assert config.PROJECT_SEARCH_TTL == 1200
    environ = {"PROJECT_LIST_TTL": "60", "WARM_CACHE_ON_UPDATE": "false", "PROJECT_STATS_TTL": ""}
    changed = ProjectCacheConfig.from_environment(environ)
    assert (changed.PROJECT_LIST_TTL, changed.WARM_CACHE_ON_UPDATE, changed.PROJECT_STATS_TTL) == (60, False, 900)
    for name, text in (("PROJECT_LIST_TTL", "-1"), ("WARM_CACHE_ON_UPDATE", "perhaps")):
        with pytest.raises(ValueError, match=f"{name} is '{text}'"):
            ProjectCacheConfig.from_environment({name: text})
