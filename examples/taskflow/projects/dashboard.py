"""A project at a glance: how far each of its four steps is, and what to do next.

The names in JSON are those that its clients have always read: ``predicateSearch``, ``overallProgress``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from examples.taskflow.projects.schemas import Classification, Outgoing, Predicate, ProjectResponse

StepStatus = Literal["pending", "in_progress", "completed"]

ADVICE = {
    "classification": "Classify the device.",
    "predicate_search": "Search for predicate devices and select at least one.",
    "comparison_analysis": "Compare the device with the selected predicates.",
    "submission_readiness": "Add the documents of the submission.",
}


class Camel(Outgoing):
    """Written in JSON with its names in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Step(Camel):
    """How far one step is."""

    status: StepStatus = "pending"
    confidence_score: float | None = None
    completed_at: datetime | None = None


class Progress(Camel):
    """The four steps, and the share of them that is completed, in percent."""

    classification: Step
    predicate_search: Step
    comparison_analysis: Step
    submission_readiness: Step
    overall_progress: float
    next_actions: list[str]


class Statistics(Camel):
    """What there is, in numbers."""

    total_predicates: int
    selected_predicates: int
    average_confidence: float
    completion_percentage: float
    documents_count: int
    agent_interactions: int


class Activity(Outgoing):
    """Something that an agent has done lately."""

    id: int
    agent_action: str
    confidence_score: float
    execution_time_ms: int
    created_at: datetime


class ProjectDashboard(Outgoing):
    """A project at a glance; the fields from `classification_status` on are for older clients."""

    project: ProjectResponse
    classification: Classification | None
    predicate_devices: list[Predicate]
    progress: Progress
    recent_activity: list[Activity]
    statistics: Statistics

    classification_status: StepStatus
    predicate_count: int
    selected_predicates: int
    document_count: int
    agent_interactions: int
    completion_percentage: float
    last_activity: datetime


def compose(
    project: ProjectResponse,
    classification: Classification | None,
    predicates: Sequence[Predicate],
    activity: Sequence[Activity],
    documents: int,
    interactions: int,
) -> ProjectDashboard:
    """The dashboard of a project and what belongs to it."""
    progress = progress_of(classification, predicates, documents)
    selected = sum(each.is_selected for each in predicates)
    statistics = Statistics(
        total_predicates=len(predicates),
        selected_predicates=selected,
        average_confidence=mean([each.confidence_score for each in predicates]),
        completion_percentage=progress.overall_progress,
        documents_count=documents,
        agent_interactions=interactions,
    )
    return ProjectDashboard(
        project=project,
        classification=classification,
        predicate_devices=list(predicates),
        progress=progress,
        recent_activity=list(activity),
        statistics=statistics,
        classification_status=progress.classification.status,
        predicate_count=len(predicates),
        selected_predicates=selected,
        document_count=documents,
        agent_interactions=interactions,
        completion_percentage=progress.overall_progress,
        last_activity=max([project.updated_at, *(each.created_at for each in activity)]),
    )


def progress_of(classification: Classification | None, predicates: Sequence[Predicate], documents: int) -> Progress:
    """How far the four steps are."""
    selected = [each for each in predicates if each.is_selected]
    compared = [each for each in selected if each.comparison_data]
    steps = {
        "classification": step(done=[classification] if classification else []),
        "predicate_search": step(done=selected, begun=bool(predicates)),
        "comparison_analysis": step(done=compared if len(compared) == len(selected) else [], begun=bool(compared)),
    }
    ready = documents > 0 and all(each.status == "completed" for each in steps.values())
    steps["submission_readiness"] = Step(status="completed" if ready else "in_progress" if documents else "pending")
    completed = [name for name, each in steps.items() if each.status == "completed"]
    return Progress(
        **steps,
        overall_progress=len(completed) / 4 * 100,
        next_actions=[advice for name, advice in ADVICE.items() if name not in completed],
    )


def step(done: Sequence[Classification | Predicate], *, begun: bool = False) -> Step:
    """A step that is completed by *done*."""
    if not done:
        return Step(status="in_progress" if begun else "pending")
    return Step(
        status="completed",
        confidence_score=mean([each.confidence_score for each in done]),
        completed_at=max(each.created_at for each in done),
    )


def mean(numbers: Sequence[float]) -> float:
    """Their mean to four digits; 0 of none."""
    return round(sum(numbers) / len(numbers), 4) if numbers else 0.0
