"""Two worker processes, one Redis, one database: what one of them changes, the other one answers."""

from evercache.testing.servers import RedisServer, wait_until


def test_what_one_worker_changes_every_worker_answers(launch):
    """After each update all processes soon answer with it, and none of them ever goes back.

    A process may answer from its own memory for a moment (at most the lease, one second), so the test waits for twenty
    fresh answers in a row; a lost invalidation would let old ones return until their time is over, five minutes.
    """
    with RedisServer() as redis:
        server = launch("--workers", "2", REDIS_URL=redis.url)
        wait_until(server.answers, "two workers answer", seconds=90)
        with server.signed_in() as client:
            task = client.post("/api/tasks/", json={"title": "Shared"}).json()

            def statuses() -> set[str]:
                lists = [client.get("/api/tasks/").json()["items"] for _ in range(20)]
                return {item["status"] for items in lists for item in items}

            for status in ("in_progress", "done", "todo"):
                statuses()
                assert client.patch(f"/api/tasks/{task['id']}", json={"status": status}).status_code == 200
                wait_until(
                    lambda wanted={status}: statuses() == wanted, "every worker answers with the update", seconds=30
                )
                assert statuses() == {status}


def test_a_user_who_is_switched_off_is_refused_by_every_worker_at_once(launch):
    """Who may sign in is in no process's own memory: no request after the change gets through, whoever serves it."""
    with RedisServer() as redis:
        server = launch("--workers", "2", REDIS_URL=redis.url)
        wait_until(server.answers, "two workers answer", seconds=90)
        with server.signed_in() as admin:
            new = {"username": "cleo", "email": "cleo@taskflow.test", "password": "battery staple"}
            user = admin.post("/api/users/", json=new).json()
            form = {"username": "cleo", "password": "battery staple"}
            token = admin.post("/api/auth/token", data=form).json()["access_token"]
            hers = {"Authorization": f"Bearer {token}"}
            for allowed in (True, False, True, False):
                admin.patch(f"/api/users/{user['id']}", json={"is_active": allowed})
                seen = {admin.get("/api/users/me", headers=hers).status_code for _ in range(10)}
                assert seen == {200 if allowed else 401}
