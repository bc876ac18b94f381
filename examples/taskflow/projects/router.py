"""``/api/projects``."""

from typing import Annotated, cast

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request, Response

from evercache.warming import CacheWarmingResult
from examples.taskflow.errors import Unprocessable, refusals
from examples.taskflow.projects import caching
from examples.taskflow.projects.cache_service import ProjectCacheService
from examples.taskflow.projects.caching import CONFIG
from examples.taskflow.projects.dashboard import ProjectDashboard
from examples.taskflow.projects.enhanced import EnhancedProjectService
from examples.taskflow.projects.schemas import (
    Classification,
    ClassificationCreate,
    DocumentCreate,
    DocumentRead,
    ExportFormat,
    Interaction,
    InteractionCreate,
    Predicate,
    PredicateCreate,
    PredicateUpdate,
    ProjectCreate,
    ProjectFilter,
    ProjectPage,
    ProjectResponse,
    ProjectStats,
    ProjectUpdate,
)
from examples.taskflow.projects.warming import CacheWarmingService
from examples.taskflow.services import SessionDep
from examples.taskflow.users.access import ViewerDep

router = APIRouter(prefix="/projects", tags=["projects"], responses=refusals(401))
MEDIA_TYPES = {"json": "application/json", "pdf": "application/pdf"}

cache_service = ProjectCacheService()


def project_service(db: SessionDep, background: BackgroundTasks) -> EnhancedProjectService:
    """The projects, for one request; what may wait is done after the reply."""
    return EnhancedProjectService(db, cache_service, background.add_task)


def warming_service(request: Request) -> CacheWarmingService:
    """What the application keeps warm with; its lifespan has made it."""
    return cast("CacheWarmingService", request.app.state.warming)


Projects = Annotated[EnhancedProjectService, Depends(project_service)]
Warming = Annotated[CacheWarmingService, Depends(warming_service)]


@router.get("/")
@caching.reply(ttl=CONFIG.PROJECT_LIST_TTL)
async def list_projects(
    wanted: Annotated[ProjectFilter, Query()], viewer: ViewerDep, projects: Projects
) -> ProjectPage:
    """One page of your projects, the last changed ones first."""
    return await projects.list_projects(viewer.id, wanted)


@router.post("/", status_code=201)
async def create_project(new: ProjectCreate, viewer: ViewerDep, projects: Projects) -> ProjectResponse:
    """A new project, owned by you."""
    return await projects.create_project(viewer.id, new)


@router.get("/search", responses=refusals(422))
@caching.reply(ttl=CONFIG.PROJECT_SEARCH_TTL)
async def search_projects(
    wanted: Annotated[ProjectFilter, Query()], viewer: ViewerDep, projects: Projects
) -> ProjectPage:
    """One page of those of your projects whose name, description or type of device holds a text."""
    if not wanted.search:
        raise Unprocessable("Say what to look for: ?search=…")
    return await projects.list_projects(viewer.id, wanted)


@router.get("/stats")
@caching.reply(ttl=CONFIG.PROJECT_STATS_TTL)
async def read_project_stats(viewer: ViewerDep, projects: Projects) -> ProjectStats:
    """How your projects stand."""
    return await projects.get_stats(viewer.id)


@router.post("/warm")
async def warm_projects(viewer: ViewerDep, warming: Warming) -> list[CacheWarmingResult]:
    """Loads what you are likely to look at next: dashboards, lists, statistics."""
    return await warming.warm_all_user_caches(viewer.id)


@router.get("/{project_id}", responses=refusals(404))
@caching.reply(ttl=CONFIG.PROJECT_DETAIL_TTL)
async def read_project(project_id: int, viewer: ViewerDep, projects: Projects) -> ProjectResponse:
    """One project."""
    return await projects.get_project(project_id, viewer.id)


@router.put("/{project_id}", responses=refusals(404))
async def update_project(
    project_id: int, change: ProjectUpdate, viewer: ViewerDep, projects: Projects
) -> ProjectResponse:
    """The fields that are sent, changed; the others stay."""
    return await projects.update_project(project_id, viewer.id, change)


@router.delete("/{project_id}", status_code=204, responses=refusals(404))
async def delete_project(project_id: int, viewer: ViewerDep, projects: Projects) -> None:
    """Without this project, and without all that belongs to it."""
    await projects.delete_project(project_id, viewer.id)


@router.get("/{project_id}/dashboard", responses=refusals(404))
@caching.reply(ttl=CONFIG.PROJECT_DASHBOARD_TTL)
async def read_dashboard(project_id: int, viewer: ViewerDep, projects: Projects) -> ProjectDashboard:
    """A project at a glance: what is known, how far it is, what to do next."""
    return await projects.get_dashboard(project_id, viewer.id)


@router.get("/{project_id}/export", response_class=Response, responses=refusals(404))
async def export_project(
    project_id: int, viewer: ViewerDep, projects: Projects, format_type: ExportFormat = "json"
) -> Response:
    """All about a project, as a file."""
    content = await projects.export_project(project_id, viewer.id, format_type)
    name = f'attachment; filename="project-{project_id}.{format_type}"'
    return Response(content, media_type=MEDIA_TYPES[format_type], headers={"Content-Disposition": name})


@router.post("/{project_id}/classifications", status_code=201, responses=refusals(404))
async def add_classification(
    project_id: int, new: ClassificationCreate, viewer: ViewerDep, projects: Projects
) -> Classification:
    """A new classification; the latest one counts."""
    return await projects.add_classification(project_id, viewer.id, new)


@router.post("/{project_id}/predicates", status_code=201, responses=refusals(404))
async def add_predicate(project_id: int, new: PredicateCreate, viewer: ViewerDep, projects: Projects) -> Predicate:
    """One more device that may be like this one."""
    return await projects.add_predicate(project_id, viewer.id, new)


@router.put("/{project_id}/predicates/{predicate_id}", responses=refusals(404))
async def update_predicate(
    project_id: int, predicate_id: int, change: PredicateUpdate, viewer: ViewerDep, projects: Projects
) -> Predicate:
    """What is decided about a predicate; what is left out stays."""
    return await projects.update_predicate(project_id, predicate_id, viewer.id, change)


@router.post("/{project_id}/documents", status_code=201, responses=refusals(404))
async def add_document(project_id: int, new: DocumentCreate, viewer: ViewerDep, projects: Projects) -> DocumentRead:
    """One more file of the project."""
    return await projects.add_document(project_id, viewer.id, new)


@router.post("/{project_id}/interactions", status_code=201, responses=refusals(404))
async def add_interaction(
    project_id: int, new: InteractionCreate, viewer: ViewerDep, projects: Projects
) -> Interaction:
    """One more thing that an agent has done."""
    return await projects.add_interaction(project_id, viewer.id, new)
