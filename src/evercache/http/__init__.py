"""HTTP caching inside the application server: an ASGI middleware with the semantics of a good reverse proxy.

    from evercache.http import CacheMiddleware, Rule

The decisions of RFC 9110 and 9111 are pure functions over raw header pairs and times, one file for each question. Times
are seconds since the Unix epoch, spans are seconds. A message can't make a decision raise: what is malformed is decided
as the RFC says, and where it says nothing, in the direction that stores less and serves fresher.

    may it be stored?        storable   credentials   directives   targeted   lifetime   policy
    under which key?         key   query   vary
    may it be reused?        response   reuse   age   conditional   ranges   etag   validate
    what must be dropped?    unsafe   groups
    what is sent?            answer   status
    how is it written?       fields   dates   structured

What acts on them, from the outside in:

    middleware    which rule covers a request (rules   template   compat   routes)
    fast          the short way of a hit
    covered       one rule on one cache: key, limits (limits), counters (counters)
    exchange      one request: select, decide, answer (replies), fetch, or change (changes)
    lead   tee    running the application for a flight of the engine, and watching its response (messages)
    stored        a response in memory, and as bytes (frame)
"""

from evercache.http.middleware import CacheMiddleware
from evercache.http.rules import Rule
from evercache.http.views import Request, Response

__all__ = ["CacheMiddleware", "Request", "Response", "Rule"]
