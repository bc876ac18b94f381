"""What everybody may see, and for how long it is cached: the responses that no guard stands in front of."""

from evercache.http import Rule

RULES = [
    Rule("/", ttl="10s", name="landing page"),
    Rule("/landing/{name}", ttl="1h", stale_while_revalidate="1d", negative=[404], name="landing files"),
    Rule("/openapi.json", ttl="1h", name="schema"),
]
