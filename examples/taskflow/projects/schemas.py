"""What goes in and out of the project routes, but for the dashboard (``dashboard.py``)."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from examples.taskflow.projects.models import ProjectStatus

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
DeviceType = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Words = Annotated[list[Annotated[str, StringConstraints(max_length=500)]], Field(max_length=50)]
Score = Annotated[float, Field(ge=0, le=1)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10)]
Data = dict[str, Any]  # Any: whatever JSON can say

DeviceClass = Literal["I", "II", "III"]
Pathway = Literal["510k", "PMA", "De Novo"]
ExportFormat = Literal["json", "pdf"]


class Incoming(BaseModel):
    """What a client sends; a misspelled field is an error."""

    model_config = ConfigDict(extra="forbid")


class Outgoing(BaseModel):
    """What a client gets, made of a row."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ProjectCreate(Incoming):
    """A new project."""

    name: Name
    description: Text = ""
    device_type: DeviceType = ""
    intended_use: Text = ""
    status: ProjectStatus = ProjectStatus.DRAFT


class ProjectUpdate(Incoming):
    """The part of a project that changes; what is left out stays."""

    name: Name = ""
    description: Text = ""
    device_type: DeviceType = ""
    intended_use: Text = ""
    status: ProjectStatus = ProjectStatus.DRAFT


class ProjectResponse(Outgoing):
    """A project itself."""

    id: int
    user_id: int
    name: str
    description: str
    device_type: str
    intended_use: str
    status: ProjectStatus
    created_at: datetime
    updated_at: datetime


class ProjectFilter(Incoming):
    """Which projects, which page of them; the last changed ones first."""

    model_config = ConfigDict(frozen=True)

    search: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] | None = Field(
        None, description="Text in the name, the description or the type of device."
    )
    status: ProjectStatus | None = None
    device_type: DeviceType | None = None
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=1_000_000)


class ProjectPage(Outgoing):
    """One page of a list, and how long the list is."""

    items: list[ProjectResponse]
    total: int
    limit: int
    offset: int


class ProjectStats(Outgoing):
    """How somebody's projects stand."""

    total: int
    draft: int
    in_progress: int
    completed: int
    completion_rate: float = Field(description="Percent of all that are completed.")
    last_updated: datetime | None


class ClassificationCreate(Incoming):
    """A classification, as it was found."""

    device_class: DeviceClass
    product_code: Code = ""
    regulatory_pathway: Pathway
    cfr_sections: Words = []
    confidence_score: Score
    reasoning: Text = ""
    sources: Words = []


class Classification(Outgoing):
    """A classification of the project's device."""

    id: int
    device_class: DeviceClass
    product_code: str
    regulatory_pathway: Pathway
    cfr_sections: list[str]
    confidence_score: float
    reasoning: str
    sources: list[str]
    created_at: datetime


class PredicateCreate(Incoming):
    """A device that may be like this one."""

    k_number: Annotated[str, StringConstraints(pattern=r"^(K|DEN|P)\d{6}$")]
    device_name: Name
    intended_use: Text = ""
    product_code: Code = ""
    clearance_date: date | None = None
    confidence_score: Score
    comparison_data: Data | None = None
    is_selected: bool = False


class PredicateUpdate(Incoming):
    """What is decided about a predicate; what is left out stays."""

    confidence_score: Score = 0.0
    comparison_data: Data | None = None
    is_selected: bool = False


class Predicate(Outgoing):
    """A predicate device of the project."""

    id: int
    k_number: str
    device_name: str
    intended_use: str
    product_code: str
    clearance_date: date | None
    confidence_score: float
    comparison_data: Data | None
    is_selected: bool
    created_at: datetime


class DocumentCreate(Incoming):
    """A file that has come to the project."""

    filename: Name
    file_path: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    document_type: Annotated[str, StringConstraints(min_length=1, max_length=50)]
    metadata: Data = {}


class DocumentRead(Outgoing):
    """What is known about a file of the project."""

    id: int
    filename: str
    file_path: str
    document_type: str
    metadata: Data = Field(validation_alias="details")
    created_at: datetime

    model_config = ConfigDict(populate_by_name=True)


class InteractionCreate(Incoming):
    """What an agent has done."""

    agent_action: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    input_data: Data = {}
    output_data: Data = {}
    confidence_score: Score
    sources: Words = []
    reasoning: Text = ""
    execution_time_ms: Annotated[int, Field(ge=0, le=2**31 - 1)]


class Interaction(Outgoing):
    """What an agent has done for the project."""

    id: int
    agent_action: str
    input_data: Data
    output_data: Data
    confidence_score: float
    sources: list[str]
    reasoning: str
    execution_time_ms: int
    created_at: datetime


class ProjectExport(Outgoing):
    """All there is about one project."""

    project: ProjectResponse
    classifications: list[Classification]
    predicate_devices: list[Predicate]
    documents: list[DocumentRead]
    interactions: list[Interaction]
