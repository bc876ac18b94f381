"""TaskFlow: one FastAPI back end that uses every capability of evercache on real data.

Start it with ``python -m examples.taskflow.demo``; ``README.md`` beside this file says what to click.
"""
