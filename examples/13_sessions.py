"""A visitor signs in; the cookie changes, the cart stays; all of their sessions end in one step.

PYTHONPATH=src python examples/13_sessions.py
"""

import asyncio
import secrets

from evercache.sessions import Sessions


async def main() -> None:
    sessions = Sessions(secret=secrets.token_bytes(32))  # give it RedisData("redis://…") for all processes

    visit = await sessions.open(None)
    visit.session["cart"] = [7]
    before = await visit.close()

    login = await sessions.open(before, device="Firefox on Linux")
    login.session.sign_in("ada")
    after = await login.close()
    print("a new cookie:", after != before)

    page = await sessions.open(after)
    print(page.session.user, "has", page.session["cart"])

    await sessions.end_all("ada")
    print("after the end:", (await sessions.open(after)).session.user)


if __name__ == "__main__":
    asyncio.run(main())
