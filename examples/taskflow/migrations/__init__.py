"""The tables of TaskFlow, step by step: each file in ``versions`` is a step that some database has already taken."""
