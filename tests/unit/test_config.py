"""Settings: where they come from, what is wrong with them, and what is never shown."""

from __future__ import annotations

import dataclasses

import pytest

from evercache.config import SETTINGS, Settings
from evercache.core.duration import FOREVER
from evercache.core.url import Address
from evercache.errors import ConfigurationError


def resolve(*url: str, environ: dict[str, str] | None = None, **arguments: object) -> Settings:
    return Settings.resolve(*url, environ=environ or {}, **arguments)


@pytest.mark.row("S2.64", "S2.106", "S2.107", "S2.108", "S2.109", "S2.110", "S2.111", "S2.112", "S4.61", "S4.62")
def test_the_documented_variables() -> None:
    """Each variable does what its name says."""
    settings = Settings.from_env(
        {
            "REDIS_URL": "redis://localhost:6379/0",
            "REDIS_MAX_CONNECTIONS": "10",
            "REDIS_SOCKET_TIMEOUT": "5",
            "REDIS_SOCKET_CONNECT_TIMEOUT": "5",
            "CACHE_ENABLED": "false",
            "CACHE_DEFAULT_TTL": "3600",
            "CACHE_MAX_MEMORY": "256mb",
        }
    )
    assert settings.address.addresses == (Address("localhost", 6379),)
    assert settings.max_connections == 10
    assert (settings.socket_timeout, settings.socket_connect_timeout) == (5.0, 5.0)
    assert settings.enabled is False
    assert settings.default_ttl == 3600.0
    assert settings.max_memory == 256 << 20


@pytest.mark.row("S1.14", "S2.111")
def test_defaults() -> None:
    """Without anything: this process only, 300 s, a pool of 10 to 50, budgets of 0.1 and 0.25 s."""
    settings = resolve()
    assert settings.url is None
    assert settings.default_ttl == 300.0
    assert (settings.idle_connections, settings.max_connections) == (10, 50)
    assert (settings.operation_timeout, settings.connect_timeout) == (0.1, 0.25)


def test_arguments_win_over_the_url_over_the_environment_over_defaults() -> None:
    """The nearer to the call, the stronger."""
    environ = {"REDIS_MAX_CONNECTIONS": "1", "CACHE_DELTA": "2s", "CACHE_NAMESPACE": "env"}
    settings = resolve("redis://h?max_connections=3&delta=4s", environ=environ, max_connections=5)
    assert (settings.max_connections, settings.delta, settings.namespace) == (5, 4.0, "env")


def test_parameters_of_a_url_from_the_environment_count_too() -> None:
    """One variable can say everything."""
    assert resolve(environ={"REDIS_URL": "redis://h?l1=off"}).l1 is None


@pytest.mark.parametrize("nothing", [{"max_connections": None}, {}])
def test_none_means_not_given(nothing: dict[str, object]) -> None:
    """So that callers can pass on what they were given; an empty variable is the same."""
    assert resolve(environ={"REDIS_MAX_CONNECTIONS": ""}, **nothing).max_connections == 50


@pytest.mark.row("S2.60")
def test_environments_differ_by_their_environment() -> None:
    """The same code, three sets of variables; nothing else is needed."""
    stages = {
        "development": {},
        "test": {"CACHE_ENABLED": "false"},
        "production": {"REDIS_URL": "rediss://cache/0", "CACHE_NAMESPACE": "prod"},
    }
    made = {stage: Settings.from_env(environ) for stage, environ in stages.items()}
    assert made["development"].url is None
    assert not made["test"].enabled
    assert made["production"].address.tls


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "on"])
def test_words_for_yes(word: str) -> None:
    """As people write them."""
    assert resolve(environ={"CACHE_ENABLED": word}).enabled
    assert not resolve(
        environ={"CACHE_ENABLED": {"true": "false", "TRUE": "FALSE", "1": "0", "yes": "no", "on": "off"}[word]}
    ).enabled


def test_all_mistakes_are_reported_together() -> None:
    """One start of the program shows them all, each by the name under which it was written."""
    with pytest.raises(ConfigurationError) as caught:
        resolve("redis://h?delta=0", environ={"REDIS_MAX_CONNECTIONS": "many"}, outage="panic", max_conections=1)
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 settings are wrong:"
    assert any("REDIS_MAX_CONNECTIONS='many'" in line for line in lines)
    assert any("delta (in url)='0'" in line for line in lines)
    assert any("outage='panic'" in line and "origin, l1, stale, raise" in line for line in lines)
    assert any("did you mean max_connections" in line for line in lines)


@pytest.mark.parametrize(
    "wrong",
    [{"max_connections": 0}, {"max_connections": True}, {"delta": 0.1}, {"namespace": "a{b}"}, {"namespace": ""},
     {"l1": 0}, {"l1": "lots"}, {"enabled": "maybe"}, {"secret": "short"}, {"protocol": 4}, {"client_name": "a b"},
     {"address_map": "a"}, {"url": 7}, {"tls_ca_file": "/ca.pem"}, {"operation_timeout": "forever"}],
)  # fmt: skip
def test_each_mistake_is_a_sentence(wrong: dict[str, object]) -> None:
    """It names the setting and ends with a full stop."""
    with pytest.raises(ConfigurationError, match=rf"^{next(iter(wrong))}\b.*\.$"):
        resolve(**wrong)


def test_no_secret_is_ever_shown() -> None:
    """Neither by repr nor in an error."""
    settings = resolve("redis://u:hunter2@h", secret="hunter2" * 3, sentinel_password="hunter2", password="hunter2")
    assert settings.credentials == ("u", "hunter2")
    assert "hunter2" not in repr(settings) + str(settings)
    for wrong in (
        {"secret": "hunter2"},
        {"password": 42},
        {"url": "redis://u:hunter2?x@h"},
        {"url": "redis://hunter2@h"},
    ):
        assert "hunter2" not in shown(wrong)


def shown(given: dict[str, object]) -> str:
    """What anybody may see of these arguments: the settings, or the error."""
    try:
        return repr(resolve(**given))
    except ConfigurationError as error:
        return str(error)


def test_a_password_may_come_separately() -> None:
    """Secret stores hand out passwords, not URLs; a URL that has its own keeps it."""
    environ = {"REDIS_USERNAME": "app", "REDIS_PASSWORD": "hunter2"}
    assert resolve("redis://h", environ=environ).credentials == ("app", "hunter2")
    assert resolve("redis://:other@h", environ=environ).credentials == ("app", "other")


def test_settings_are_values() -> None:
    """Equal, hashable, frozen; changed copies are checked like new ones."""
    settings = resolve("redis://h", default_ttl="5m")
    assert settings == resolve("redis://h", default_ttl=300)
    assert hash(settings) == hash(resolve("redis://h", default_ttl=300))
    assert settings.changed(default_ttl="1h", l1=False).default_ttl == 3600.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.enabled = False
    with pytest.raises(ConfigurationError):
        settings.changed(max_connections=0)


def test_for_ever_is_a_ttl() -> None:
    """In the environment too."""
    assert resolve(environ={"CACHE_DEFAULT_TTL": "forever"}).default_ttl is FOREVER


def test_announced_addresses_can_be_mapped() -> None:
    """For containers and tunnels."""
    settings = resolve(environ={"REDIS_ADDRESS_MAP": "10.0.0.5:6379=localhost:16379,10.0.0.6:6379=localhost:16380"})
    assert settings.address_map[0] == (Address("10.0.0.5", 6379), Address("localhost", 16379))


def test_query_names_of_redis_py_are_understood() -> None:
    """URLs that are around keep working."""
    settings = resolve("rediss://h?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem")
    assert (settings.tls_verify, settings.tls_ca_file) == (False, "/ca.pem")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_described_and_its_example_works(setting: object) -> None:
    """What it does, when to touch it, a worked example, and a default that its own parser accepts."""
    assert setting.what.endswith(".")
    assert setting.when.endswith(".")
    assert setting.env
    if setting.example != "…":
        url = "rediss://h" if setting.name.startswith("tls_") else None
        needed = {"tls_cert_file": "/cert.pem"} if setting.name == "tls_key_file" else {}
        resolve(*filter(None, [url]), environ={setting.env[0]: setting.example}, **needed)
    Settings(**{setting.name: setting.default})


def test_no_two_settings_share_a_variable() -> None:
    """Nor a name in the URL."""
    names = [name for setting in SETTINGS for name in (*setting.env, setting.name, *setting.url_names)]
    assert len(names) == len(set(names))
