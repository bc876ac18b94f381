"""All variants, in the order of the tables."""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks.http.variants import others, plain

__all__ = ["HITS", "VARIANTS"]

HITS = dict(plain.VARIANTS)
"""Those that answer the same bytes."""
VARIANTS = HITS
if find_spec("evercache") is not None:  # the environment for older versions has none
    from benchmarks.http.variants import listing, ours

    HITS |= ours.VARIANTS
    HITS |= others.VARIANTS
    VARIANTS = HITS | listing.VARIANTS
else:
    HITS |= others.VARIANTS
