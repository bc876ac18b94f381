"""A FastAPI application with a cached route: `uvicorn examples.05_fastapi:app` (or `python examples/05_fastapi.py`).

The signed-in user is an argument, so it is in the key: nobody gets somebody else's list.
"""

from typing import Annotated

from fastapi import Depends, FastAPI, Header

from evercache import Cache, cache_response
from evercache.fastapi import CacheDep, lifespan

cache = Cache(namespace="examples")
app = FastAPI(lifespan=lifespan(cache))
tasks: dict[str, list[str]] = {"ada": ["write"], "grace": ["compile"]}


def current_user(x_user: Annotated[str, Header()] = "ada") -> str:
    """Stands for a real sign-in."""
    return x_user


User = Annotated[str, Depends(current_user)]


@app.get("/tasks")
@cache_response(key="tasks_of", expire=300, tags=["tasks:{user}"])
async def read(user: User) -> list[str]:
    return tasks.get(user, [])


@app.post("/tasks/{title}")
async def add(title: str, user: User, cache: CacheDep) -> list[str]:
    tasks.setdefault(user, []).append(title)
    await cache.invalidate_tags(f"tasks:{user}")
    return await read(user)


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=8000)
