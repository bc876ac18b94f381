"""What each error of Redis, of redis-py and of the operating system means."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
from redis import exceptions as redis_errors
from redis._parsers.base import BaseParser

from evercache.core.url import Address
from evercache.errors import StoreOverloaded, StoreUnavailable, WritesRefused
from evercache.stores.redis.faults import ADVICE, classify, redirect_of

REPLIES = {
    "OOM command not allowed when used memory > 'maxmemory'.": ("write_refused", "oom"),
    "OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:1.": ("write_refused", "oom"),
    "ERR Error running script (call to f_1f): @user_script:1: @user_script: 1: -OOM command not allowed": (
        "write_refused",
        "oom",
    ),
    "ERR Error running script (call to f_1f): @user_script:1: -READONLY You can't write against a read only replica.": (
        "write_refused",
        "readonly",
    ),
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist": (
        "write_refused",
        "misconf",
    ),
    "READONLY You can't write against a read only replica.": ("write_refused", "readonly"),
    "NOREPLICAS Not enough good replicas to write.": ("write_refused", "noreplicas"),
    "LOADING Redis is loading the dataset in memory": ("transient", "loading"),
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": ("transient", "busy"),
    "ERR Error running script (call to f_1f): @user_script:1: Script killed by user with SCRIPT KILL...": (
        "transient",
        "busy",
    ),
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": ("transient", "masterdown"),
    "CLUSTERDOWN The cluster is down": ("transient", "clusterdown"),
    "CLUSTERDOWN Hash slot not served": ("transient", "clusterdown"),
    "TRYAGAIN Multiple keys request during rehashing of slot": ("transient", "tryagain"),
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)": (
        "transient",
        "role_changed",
    ),
    "ERR max number of clients reached": ("transient", "max_clients"),
    "NOAUTH Authentication required.": ("permanent", "auth"),
    "WRONGPASS invalid username-password pair or user is disabled.": ("permanent", "auth"),
    "ERR invalid password": ("permanent", "auth"),
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?": ("permanent", "auth"),
    "ERR Client sent AUTH, but no password is set": ("permanent", "auth"),
    "NOPERM this user has no permissions to run the 'get' command": ("permanent", "denied"),
    "NOPROTO unsupported protocol version": ("permanent", "protocol"),
    "ERR unknown command 'HELLO', with args beginning with: '3' ": ("permanent", "protocol"),
    "DENIED Redis is running in protected mode": ("permanent", "protected"),
    "ERR DB index is out of range": ("permanent", "database"),
    "MOVED 3999 127.0.0.1:6381": ("moved", "moved"),
    "ASK 3999 127.0.0.1:6381": ("moved", "ask"),
    "NOSCRIPT No matching script. Please use EVAL.": ("noscript", "noscript"),
    "WRONGTYPE Operation against a key holding the wrong kind of value": ("bug", "bug"),
    "CROSSSLOT Keys in request don't hash to the same slot": ("bug", "bug"),
    "EXECABORT Transaction discarded because of previous errors.": ("bug", "bug"),
    "BUSYGROUP Consumer Group name already exists": ("bug", "bug"),
    "ERR syntax error": ("bug", "bug"),
}


@pytest.mark.row("FT6", "FT16")
@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply[:40])
def test_replies_of_the_server(reply: str) -> None:
    """By the error code, however redis-py names its class, and also as a plain ResponseError with the raw text."""
    assert classify(BaseParser.parse_error(reply)) == REPLIES[reply]
    if not reply.startswith(("MOVED", "ASK")):
        assert classify(redis_errors.ResponseError(reply)) == REPLIES[reply]


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (redis_errors.ConnectionError("Connection closed by server."), ("transient", "closed")),
        (redis_errors.TimeoutError("Timeout reading from h:1"), ("transient", "timeout")),
        (redis_errors.MaxConnectionsError("Too many connections"), ("overload", "pool")),
        (redis_errors.ConnectionError("No connection available."), ("overload", "pool")),
        (redis_errors.AuthenticationError("…"), ("permanent", "auth")),
        (redis_errors.AuthorizationError("…"), ("permanent", "denied")),
        (redis_errors.InvalidResponse("Protocol Error: b'HTTP/1.1 400'"), ("permanent", "not_redis")),
        (redis_errors.SlotNotCoveredError("…"), ("transient", "clusterdown")),
        (redis_errors.ClusterError("TTL exhausted."), ("transient", "clusterdown")),
        (redis_errors.RedisClusterException("Redis Cluster cannot be connected."), ("transient", "clusterdown")),
        (redis_errors.RedisClusterException("MGET - all keys must map to the same key slot"), ("bug", "bug")),
        (redis_errors.CrossSlotTransactionError("…"), ("bug", "bug")),
        (redis_errors.DataError("…"), ("bug", "bug")),
        (redis_errors.ConnectionError("Error 1 connecting: [SSL: CERTIFICATE_VERIFY_FAILED]"), ("permanent", "tls")),
        (ssl.SSLCertVerificationError("self-signed certificate"), ("permanent", "tls")),
        (TimeoutError(), ("transient", "timeout")),
        (ConnectionRefusedError(), ("transient", "refused")),
        (ConnectionResetError(), ("transient", "closed")),
        (socket.gaierror(-2, "Name or service not known"), ("transient", "dns")),
        (FileNotFoundError(errno.ENOENT, "no socket"), ("transient", "refused")),
        (OSError(errno.EMFILE, "Too many open files"), ("overload", "files")),
        (OSError(errno.EHOSTUNREACH, "no route"), ("transient", "closed")),
        (StoreOverloaded("…"), ("overload", "pool")),
        (WritesRefused("…", reason="oom"), ("write_refused", "oom")),
        (StoreUnavailable("…", reason="no_primary"), ("transient", "no_primary")),
        (ValueError("…"), ("bug", "bug")),
        (RuntimeError("Event loop is closed"), ("bug", "bug")),
    ],
    ids=lambda case: repr(case)[:60],
)
def test_errors_of_the_client_and_the_system(error: Exception, meaning: tuple[str, str]) -> None:
    """`RedisClusterException` is no `RedisError`, an exhausted pool no outage, TimeoutError not the builtin."""
    assert classify(error) == meaning


def test_what_lies_behind_a_plain_connection_error_decides() -> None:
    """redis-py replaces the system's errors by its own, and over a Unix socket wraps its own once more."""
    assert (
        classify(_raised(redis_errors.ConnectionError("Error 111"), while_=ConnectionRefusedError())).reason
        == "refused"
    )
    wrapped = redis_errors.ConnectionError("…")
    wrapped.__cause__ = redis_errors.AuthenticationError("invalid password")
    assert classify(wrapped) == ("permanent", "auth")


def test_an_error_that_was_being_handled_is_not_this_one() -> None:
    """EVAL that fails after NOSCRIPT must not be sent again and again."""
    wrong = redis_errors.ResponseError("WRONGTYPE …")
    assert classify(_raised(wrong, while_=redis_errors.NoScriptError("…"))).kind == "bug"
    assert (
        classify(_raised(redis_errors.ConnectionError("…"), while_=redis_errors.NoScriptError("…"))).kind == "transient"
    )


def _raised(error: Exception, *, while_: Exception) -> Exception:
    try:
        try:
            raise while_
        except type(while_):
            raise error  # noqa: B904 - the missing "from" is the case
    except type(error) as caught:
        return caught


def test_outages_are_what_the_breaker_hears_of() -> None:
    """A permission that is missing for one command is answered at once and says nothing about the others."""
    assert classify(redis_errors.TimeoutError()).is_outage
    assert classify(redis_errors.AuthenticationError()).is_outage
    assert not classify(redis_errors.NoPermissionError("NOPERM")).is_outage
    assert not classify(redis_errors.OutOfMemoryError("OOM")).is_outage


def test_redirections_name_slot_and_address() -> None:
    """Without a host the server means itself."""
    asked = Address("10.0.0.1", 6379)
    assert redirect_of(BaseParser.parse_error("MOVED 3999 h:6381"), asked) == (3999, Address("h", 6381), False)
    assert redirect_of(BaseParser.parse_error("ASK 3999 :6381"), asked) == (3999, Address("10.0.0.1", 6381), True)
    assert redirect_of(redis_errors.TimeoutError(), asked) is None


def test_every_reason_has_advice() -> None:
    """A word in a log is not enough to know what to do."""
    reasons = {reason for kind, reason in REPLIES.values() if kind not in ("moved", "noscript", "bug")}
    assert reasons <= ADVICE.keys()
    assert all(sentence.endswith(".") for sentence in ADVICE.values())
