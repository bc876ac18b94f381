"""The same cache from plain functions and threads."""

from concurrent.futures import ThreadPoolExecutor

from evercache import SyncCache

runs = 0


def main() -> None:
    with SyncCache(namespace="examples") as cache:

        @cache.cached(ttl="1h", tags=["report:{year}"])
        def report(year: int) -> dict[str, int]:
            global runs
            runs += 1
            return {"year": year, "sales": year * 2}

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(report, [2024] * 100))
        print(f"{len(answers)} calls from 8 threads, {runs} load")
        cache.invalidate_tags("report:2024")
        report(2024)
        print(f"after the invalidation: {runs} loads")


if __name__ == "__main__":
    main()
