"""Every table there is: whoever looks at the metadata has to have imported all models."""

from sqlalchemy import MetaData

from examples.taskflow.boardrooms import models as boardrooms
from examples.taskflow.db import Base
from examples.taskflow.projects import models as projects
from examples.taskflow.tasks import models as tasks
from examples.taskflow.users import models as users

METADATA: MetaData = Base.metadata
DOMAINS = (users, tasks, projects, boardrooms)
