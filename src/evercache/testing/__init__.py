"""What evercache's own tests are made of, for yours: a clock that obeys, servers that are real, faults on demand.

- `ManualClock`: an hour in a millisecond.
- `evercache.testing.servers`: `RedisServer`, `RedisCluster`, `SentinelTrio`, private and real.
- `TcpProxy`: freeze, drop, delay, cut and refuse, in front of any of them.
- `ChaosStore`: a store that fails as you say.
- `evercache.testing.plugin`: all of that as pytest fixtures, by `pytest_plugins = ["evercache.testing.plugin"]`.
"""

from __future__ import annotations

from evercache.testing.chaos import ChaosStore
from evercache.testing.clock import ManualClock
from evercache.testing.proxy import TcpProxy

__all__ = ["ChaosStore", "ManualClock", "TcpProxy"]
