"""The page at ``/``: says what this is and lets one try it."""
