"""The statements behind the projects: what is somebody's, what a filter leaves, what belongs to a project."""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, case, func, or_, select

from examples.taskflow.projects.models import Part, PredicateDevice, Project, ProjectStatus
from examples.taskflow.projects.schemas import ProjectFilter

P = TypeVar("P", bound=Part)

URGENCY = (ProjectStatus.IN_PROGRESS, ProjectStatus.DRAFT, ProjectStatus.COMPLETED)


def matching(user_id: int, wanted: ProjectFilter) -> list[ColumnElement[bool]]:
    """Projects of *user_id* that *wanted* describes."""
    conditions: list[ColumnElement[bool]] = [Project.user_id == user_id]
    if wanted.status is not None:
        conditions.append(Project.status == wanted.status)
    if wanted.device_type:
        conditions.append(Project.device_type == wanted.device_type)
    if wanted.search:
        texts = (Project.name, Project.description, Project.device_type)
        # autoescape: a searched % or _ is that character, not a wildcard.
        conditions.append(or_(*(column.icontains(wanted.search, autoescape=True) for column in texts)))
    return conditions


def page(user_id: int, wanted: ProjectFilter) -> Select[Project]:
    """One page of projects, the last changed ones first."""
    chosen = select(Project).where(*matching(user_id, wanted))
    return chosen.order_by(Project.updated_at.desc(), Project.id.desc()).limit(wanted.limit).offset(wanted.offset)


def count(user_id: int, wanted: ProjectFilter) -> Select[int]:
    """How many projects all pages have together."""
    return select(func.count()).select_from(Project).where(*matching(user_id, wanted))


def by_status(user_id: int) -> Select[ProjectStatus, int, datetime]:
    """For each status: how many, and when the last of them changed."""
    counted = select(Project.status, func.count(), func.max(Project.updated_at))
    return counted.where(Project.user_id == user_id).group_by(Project.status)


def parts(kind: type[P], project_id: int) -> Select[P]:
    """All of one *kind* that belongs to a project, the latest first."""
    return select(kind).where(kind.project_id == project_id).order_by(kind.created_at.desc(), kind.id.desc())


def predicates(project_id: int) -> Select[PredicateDevice]:
    """The predicates of a project, the likeliest first."""
    chosen = select(PredicateDevice).where(PredicateDevice.project_id == project_id)
    return chosen.order_by(PredicateDevice.confidence_score.desc(), PredicateDevice.id)


def number(kind: type[Part], project_id: int) -> Select[int]:
    """How many of one *kind* belong to a project."""
    return select(func.count()).where(kind.project_id == project_id)


def ids_by_urgency(user_id: int, *, active_first: bool, recent_first: bool, limit: int) -> Select[int]:
    """The user's projects, in the order in which somebody is likely to look at them."""
    ranks = {status: rank for rank, status in enumerate(URGENCY)}
    order: list[ColumnElement[Any]] = []
    if active_first:
        order.append(case(ranks, value=Project.status, else_=len(ranks)))
    if recent_first:
        order.append(Project.updated_at.desc())
    return select(Project.id).where(Project.user_id == user_id).order_by(*order, Project.id.desc()).limit(limit)


def active_users(since: datetime, limit: int) -> Select[int]:
    """Who has changed a project *since*, the last ones first."""
    chosen = select(Project.user_id).where(Project.updated_at >= since).group_by(Project.user_id)
    return chosen.order_by(func.max(Project.updated_at).desc(), Project.user_id).limit(limit)
