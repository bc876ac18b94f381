"""Boardrooms: what can be done in them, who may, and that a stored response lets nobody in."""

import asyncio

import pytest

from examples.taskflow.boardrooms import caching
from examples.taskflow.users.models import Role

ROOT = "/api/boardrooms/"
READS = {
    "room": "{room}",
    "sessions": "{room}/sessions",
    "threads": "{room}/sessions/{session}/threads",
    "decisions": "{room}/decisions",
    "decision": "{room}/decisions/{decision}",
}
WRITES = {
    "change": ("PATCH", "{room}", {"name": "Taken"}),
    "delete": ("DELETE", "{room}", None),
    "invite": ("PUT", "{room}/participants/{user}", None),
    "dismiss": ("DELETE", "{room}/participants/{user}", None),
    "begin": ("POST", "{room}/sessions", {"title": "Monday"}),
    "end": ("POST", "{room}/sessions/{session}/end", None),
    "open": ("POST", "{room}/sessions/{session}/threads", {"priority": 1}),
    "thread": ("PATCH", "{room}/sessions/{session}/threads/{thread}", {"status": "closed"}),
    "ask": ("POST", "{room}/decisions", {"title": "Ship?"}),
    "settle": ("PATCH", "{room}/decisions/{decision}", {"status": "completed"}),
    "round": ("POST", "{room}/decisions/{decision}/rounds", {"options": ["yes", "no"]}),
    "vote": ("PUT", "{room}/decisions/{decision}/vote", {"choice": 1}),
}
OF_THE_OWNER = {"change", "delete", "invite", "dismiss"}


async def sent(person, method, path, body=None, status=None):
    reply = await person.http.request(method, ROOT + path, json=body)
    assert reply.is_success if status is None else reply.status_code == status, reply.text
    return reply.json() if reply.content else None


@pytest.fixture
async def busy(ada):
    """A boardroom of Ada's in which everything is going on: the numbers of all there is."""
    room = (await sent(ada, "POST", "", {"name": "Board"}))["id"]
    session = (await sent(ada, "POST", f"{room}/sessions", {"title": "Monday"}))["id"]
    thread = (await sent(ada, "POST", f"{room}/sessions/{session}/threads", {}))["id"]
    decision = (await sent(ada, "POST", f"{room}/decisions", {"title": "Ship it?"}))["id"]
    await sent(ada, "POST", f"{room}/decisions/{decision}/rounds", {"options": ["yes", "no"]})
    return {"room": room, "session": session, "thread": thread, "decision": decision, "user": 4711}


async def filled(person, ids):
    return {kind: await sent(person, "GET", path.format(**ids)) for kind, path in READS.items()}


def said(reply):
    return reply.headers.get("Cache-Status", "")


@pytest.mark.row("F2.8")
async def test_a_decision_goes_through_rounds_of_votes(ada, ben, busy):
    """Everybody has one vote in the latest round, may change it, and nobody votes on what is settled."""
    await sent(ada, "PUT", f"{busy['room']}/participants/{ben.id}")
    path = f"{busy['room']}/decisions/{busy['decision']}"
    for person, choice in ((ada, 0), (ben, 0), (ben, 1)):
        seen = await sent(person, "PUT", f"{path}/vote", {"choice": choice})
    assert seen["rounds"] == [{"number": 1, "options": ["yes", "no"], "votes": [1, 1]}]
    seen = await sent(ben, "POST", f"{path}/rounds", {"options": ["yes", "no", "later"]})
    assert [each["number"] for each in seen["rounds"]] == [1, 2]
    await sent(ada, "PUT", f"{path}/vote", {"choice": 3}, status=422)
    seen = await sent(ada, "PUT", f"{path}/vote", {"choice": 2})
    assert seen["rounds"][1]["votes"] == [0, 0, 1]
    assert (seen["status"], await sent(ben, "GET", path)) == ("active", seen)
    await sent(ada, "PATCH", path, {"status": "completed"})
    await sent(ben, "PUT", f"{path}/vote", {"choice": 0}, status=409)
    await sent(ben, "POST", f"{path}/rounds", {"options": ["a", "b"]}, status=409)


@pytest.mark.row("F2.8")
async def test_a_session_has_threads_until_it_is_over(ada, busy):
    """The most urgent subject first; what is over stays over."""
    path = f"{busy['room']}/sessions/{busy['session']}"
    urgent = await sent(ada, "POST", f"{path}/threads", {"thread_type": "action_item", "priority": 1})
    threads = await sent(ada, "GET", f"{path}/threads")
    assert [each["id"] for each in threads] == [urgent["id"], busy["thread"]]
    changed = await sent(ada, "PATCH", f"{path}/threads/{urgent['id']}", {"status": "archived"})
    assert (changed["status"], changed["priority"]) == ("archived", 1)
    over = await sent(ada, "POST", f"{path}/end")
    assert over["status"] == "ended"
    assert await sent(ada, "POST", f"{path}/end") == over
    await sent(ada, "POST", f"{path}/threads", {}, status=409)


@pytest.mark.row("F2.8")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("{room}/decisions/{decision}/rounds", {"options": ["alone"]}),
        ("{room}/decisions/{decision}/rounds", {"options": [str(number) for number in range(21)]}),
        ("{room}/sessions/{session}/threads", {"priority": 6}),
        ("{room}/sessions/{session}/threads", {"thread_type": "rumour"}),
        ("", {"name": "Empty", "max_participants": 0}),
    ],
)
async def test_what_makes_no_sense_is_refused(ada, busy, path, body):
    """Options from 2 to 20, priorities from 1 to 5, at least one seat."""
    await sent(ada, "POST", path.format(**busy), body, status=422)


@pytest.mark.row("F2.8")
async def test_a_boardroom_has_so_many_seats(ada, ben, admin, busy):
    """Nobody is invited to a full one, and there can't be fewer seats than people."""
    await sent(ada, "PATCH", str(busy["room"]), {"max_participants": 2})
    room = await sent(ada, "PUT", f"{busy['room']}/participants/{ben.id}")
    assert room["participant_ids"] == sorted([ada.id, ben.id])
    await sent(ada, "PUT", f"{busy['room']}/participants/{admin.id}", status=409)
    await sent(ada, "PATCH", str(busy["room"]), {"max_participants": 1}, status=409)
    await sent(ada, "DELETE", f"{busy['room']}/participants/{ada.id}", status=409)
    assert await sent(ada, "GET", str(busy["room"])) == room


@pytest.mark.row("W1", "F2.8")
@pytest.mark.parametrize("role", Role)
async def test_nobody_reads_a_boardroom_they_take_no_part_in(ada, sign_in, busy, role):
    """Cold or warm, member or administrator: it does not exist, to the letter."""
    other = await sign_in("other", role)
    for warm in (False, True):
        if warm:
            await filled(ada, busy)
        for path in READS.values():
            foreign = await other.http.get(ROOT + path.format(**busy))
            unknown = await other.http.get(ROOT + path.format(**{**busy, "room": 4711}))
            assert (foreign.status_code, unknown.status_code) == (404, 404)
            assert foreign.text.replace(str(busy["room"]), "") == unknown.text.replace("4711", "")
        assert await sent(other, "GET", "") == []


@pytest.mark.row("W1")
async def test_nobody_changes_a_boardroom_they_take_no_part_in(ada, ben, busy):
    """Every write is refused as if there were no such room; what is its owner's is not for those who take part."""
    before = await filled(ada, busy)
    for method, path, body in WRITES.values():
        await sent(ben, method, path.format(**busy), body, status=404)
    assert await filled(ada, busy) == before
    await sent(ada, "PUT", f"{busy['room']}/participants/{ben.id}")
    for name in OF_THE_OWNER:
        method, path, body = WRITES[name]
        await sent(ben, method, path.format(**busy), body, status=403)


@pytest.mark.row("W1")
async def test_who_is_dismissed_is_refused_at_the_next_request(ada, ben, busy):
    """Although their own responses are stored."""
    await sent(ada, "PUT", f"{busy['room']}/participants/{ben.id}")
    await filled(ben, busy)
    assert len(await sent(ben, "GET", "")) == 1
    await sent(ada, "DELETE", f"{busy['room']}/participants/{ben.id}")
    for path in READS.values():
        await sent(ben, "GET", path.format(**busy), status=404)
    assert await sent(ben, "GET", "") == []


@pytest.mark.row("F2.4", "W12")
@pytest.mark.parametrize("name", [name for name in WRITES if name != "delete"])
async def test_a_boardroom_and_its_decisions_are_one_group(ada, ben, sign_in, busy, name):
    """A write drops every response about this room, whoever has it, and none about another one; then all is new."""
    other = {**busy, "room": (await sent(ada, "POST", "", {"name": "Other"}))["id"]}
    await sent(ada, "PUT", f"{busy['room']}/participants/{ben.id}")
    for person in (ada, ben):
        await filled(person, busy)
    await sent(ada, "GET", str(other["room"]))
    method, path, body = WRITES[name]
    guest = ben.id if name == "dismiss" else (await sign_in("cleo")).id
    await sent(ada, method, path.format(**{**busy, "user": guest}), body)
    people = (ada,) if name == "dismiss" else (ada, ben)
    for person in people:
        for read in READS.values():
            assert "hit" not in said(await person.http.get(ROOT + read.format(**busy)))
    assert "hit" in said(await ada.http.get(f"{ROOT}{other['room']}"))


@pytest.mark.row("W12")
async def test_a_refused_write_drops_nothing(ada, ben, busy):
    """Only what was written makes a reader load again."""
    await filled(ada, busy)
    await sent(ben, "PATCH", str(busy["room"]), {"name": "Taken"}, status=404)
    await sent(ada, "PATCH", str(busy["room"]), {"max_participants": 0}, status=422)
    await sent(ada, "PUT", f"{busy['room']}/participants/4711", status=422)
    await sent(ada, "PUT", f"{busy['room']}/decisions/{busy['decision']}/vote", {"choice": 9}, status=422)
    for read in READS.values():
        assert "hit" in said(await ada.http.get(ROOT + read.format(**busy)))


@pytest.mark.row("F2.3")
async def test_boardrooms_are_kept_five_minutes_and_decisions_three(ada, busy):
    """Said by every hit, in seconds."""
    assert (caching.BOARDROOM_TTL, caching.DECISIONS_TTL) == (300, 180)
    await filled(ada, busy)
    for kind, ttl in (("room", 300), ("sessions", 300), ("decisions", 180), ("decision", 180)):
        left = int(said(await ada.http.get(ROOT + READS[kind].format(**busy))).rpartition("ttl=")[2])
        assert ttl / 2 < left <= ttl


@pytest.mark.row("W40")
async def test_votes_and_readers_at_once_end_with_all_votes(ada, ben, busy):
    """However they interleave, who asks after a vote sees it."""
    await sent(ada, "PUT", f"{busy['room']}/participants/{ben.id}")
    path = f"{busy['room']}/decisions/{busy['decision']}"
    for choice in (0, 1, 0):
        ask = [sent(person, "GET", path) for person in (ada, ben, ada)]
        await asyncio.gather(*ask, *(sent(who, "PUT", f"{path}/vote", {"choice": choice}) for who in (ada, ben)))
        votes = [0, 0]
        votes[choice] = 2
        for person in (ada, ben):
            assert (await sent(person, "GET", path))["rounds"][0]["votes"] == votes


async def test_a_closed_boardroom_can_be_read_and_nothing_happens_in_it(ada, busy):
    """Until its owner opens it again."""
    await sent(ada, "PATCH", str(busy["room"]), {"is_active": False})
    await filled(ada, busy)
    for name in ("begin", "open", "ask", "round", "vote"):
        method, path, body = WRITES[name]
        await sent(ada, method, path.format(**busy), body, status=403)
    await sent(ada, "PATCH", str(busy["room"]), {"is_active": True})
    await sent(ada, "POST", f"{busy['room']}/sessions", {"title": "Tuesday"})


async def test_what_belongs_to_a_boardroom_is_not_to_be_had_through_another_one(ada, busy):
    """The numbers of a path have to fit together; with the boardroom, all of it goes."""
    other = (await sent(ada, "POST", "", {"name": "Other"}))["id"]
    for path in (READS["threads"], READS["decision"]):
        await sent(ada, "GET", path.format(**{**busy, "room": other}), status=404)
    await sent(ada, "DELETE", str(busy["room"]))
    for path in READS.values():
        await sent(ada, "GET", path.format(**busy), status=404)
    assert [each["id"] for each in await sent(ada, "GET", "")] == [other]


async def test_no_boardroom_route_answers_without_a_token(ada, client, busy):
    """Also where a response is stored."""
    await filled(ada, busy)
    for path in ("", *READS.values()):
        assert (await client.get(ROOT + path.format(**busy))).status_code == 401
