"""What evercache's own tests are made of, for yours: a clock that obeys, servers that are real, faults on demand.

`pytest_plugins = ["evercache.testing.plugin"]` in a `conftest.py` brings the fixtures.
"""
