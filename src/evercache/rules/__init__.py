"""Domain events: what your application says has happened, and in one place, what the cache forgets for it.

    from evercache.rules import Rules

    rules = Rules(cache)
    rules.on(ProjectRenamed).invalidate("project:{project_id}", "projects-of:{user_id}")
    rules.on(ProjectClassified).invalidate("dashboard:{project_id}", "export:{project_id}")     # the detail stays

    result = await rules.publish(ProjectRenamed(project_id=7, user_id=3))

Events are objects of any class. `rules` is the face, `rule` one rule, `names` what an event class is known to have,
`count` how many keys there were, `results` what is told afterwards.
"""

from evercache.rules.results import Published
from evercache.rules.rules import On, Rules

__all__ = ["On", "Published", "Rules"]
