"""Who is let in, and what they may learn about users."""

import pytest

from examples.taskflow.auth import Tokens


@pytest.mark.row("F0.1")
async def test_a_user_signs_in_and_sees_themselves(ada):
    """A token opens exactly the account it was issued to, and no answer holds a password."""
    me = (await ada.http.get("/api/users/me")).json()
    assert (me["username"], me["role"], me["is_active"]) == ("ada", "member", True)
    assert not any("password" in name for name in me)


@pytest.mark.parametrize(("username", "password"), [("ada", "wrong"), ("nobody", "correct horse"), ("ada", "")])
async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(ada, client, username, password):
    """A stranger can't find out which user names exist."""
    reply = await client.post("/api/auth/token", data={"username": username, "password": password})
    if password:
        assert reply.status_code == 401
        assert reply.json() == {"detail": "The user name or the password is wrong."}
    else:
        assert reply.status_code in {401, 422}


@pytest.mark.row("F0.1")
@pytest.mark.parametrize("path", ["/api/users/me", "/api/tasks/", "/api/tasks/statistics", "/api/tasks/1"])
async def test_no_route_answers_without_a_token(client, path):
    """Nothing is public but the start page, the documentation and the health."""
    reply = await client.get(path)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_signed_with_another_secret_is_refused(ada, client):
    """Only our own signature counts, whatever the token says."""
    forged = Tokens("x" * 64).issue(ada.id)
    reply = await client.get("/api/users/me", headers={"Authorization": f"Bearer {forged}"})
    assert reply.status_code == 401


async def test_a_user_who_is_switched_off_is_refused_at_the_next_request(ada, admin, client):
    """A valid token of a user who may no longer sign in opens nothing."""
    assert (await ada.http.get("/api/users/me")).status_code == 200
    assert (await admin.http.patch(f"/api/users/{ada.id}", json={"is_active": False})).status_code == 200
    assert (await ada.http.get("/api/users/me")).status_code == 401
    reply = await client.post("/api/auth/token", data={"username": "ada", "password": "correct horse"})
    assert reply.status_code == 401


async def test_a_changed_address_is_seen_at_once(ada):
    """The profile after the change is the changed one."""
    await ada.http.get("/api/users/me")
    assert (await ada.http.patch("/api/users/me", json={"email": "Ada@New.Example"})).status_code == 200
    assert (await ada.http.get("/api/users/me")).json()["email"] == "ada@new.example"


async def test_an_address_belongs_to_one_user(ada, ben):
    """A taken address is a conflict, not a server error."""
    reply = await ada.http.patch("/api/users/me", json={"email": "ben@taskflow.test"})
    assert reply.status_code == 409


async def test_only_administrators_manage_users(ada, admin, client):
    """Members get 403; what an administrator creates can sign in."""
    new = {"username": "cleo", "email": "cleo@taskflow.test", "password": "battery staple"}
    assert (await ada.http.post("/api/users/", json=new)).status_code == 403
    assert (await ada.http.patch(f"/api/users/{admin.id}", json={"role": "member"})).status_code == 403
    assert (await admin.http.post("/api/users/", json=new)).status_code == 201
    assert (await admin.http.post("/api/users/", json=new)).status_code == 409
    reply = await client.post("/api/auth/token", data={"username": "cleo", "password": "battery staple"})
    assert reply.status_code == 200


async def test_a_new_role_holds_from_the_next_request_on(ada, ben, admin):
    """A member who becomes an administrator sees all tasks at once; the other way round they stop seeing them."""
    await ben.create("Ben's own")
    assert await ada.titles() == []
    await admin.http.patch(f"/api/users/{ada.id}", json={"role": "admin"})
    assert await ada.titles() == ["Ben's own"]
    await admin.http.patch(f"/api/users/{ada.id}", json={"role": "member"})
    assert await ada.titles() == []
