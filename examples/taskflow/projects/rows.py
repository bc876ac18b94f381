"""Believable rows for projects and what belongs to them, made of dice."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from examples.taskflow.projects.models import (
    AgentInteraction,
    DeviceClassification,
    Part,
    PredicateDevice,
    ProjectDocument,
    ProjectStatus,
)

Row = dict[str, Any]  # Any: a column holds what its type says

DEVICES = ("Pulse oximeter", "Infusion pump", "Glucose monitor", "Ventilator", "Bone screw", "Catheter", "Hearing aid")
SHAPES = ("wearable", "portable", "implantable", "single-use", "connected", "pediatric")
MAKERS = ("Aldermed", "Brightcare", "Corvita", "Dynamedix", "Everline", "Fairhealth")
CODES = ("DQA", "FRN", "NBW", "CBK", "HWC", "DQO", "ESD")
PATHWAYS = {"I": "510k", "II": "510k", "III": "PMA"}
SECTIONS = ("870.2700", "880.5725", "862.1345", "868.5895", "888.3040")
ACTS = ("classify_device", "search_predicates", "compare_devices", "review_guidance", "check_documents")
KINDS = ("plan", "test report", "risk analysis", "labeling", "user manual")
DAYS = 180
BUSY = 0.1
"""The share of all projects that are the first user's, so that somebody has enough of them to search in."""


def project_rows(dice: random.Random, user_ids: Sequence[int], number: int, now: datetime) -> Iterator[Row]:
    """Projects of the last half year."""
    statuses = list(ProjectStatus)
    for index in range(number):
        created = now - timedelta(minutes=dice.randrange(60, DAYS * 24 * 60))
        device, shape = dice.choice(DEVICES), dice.choice(SHAPES)
        yield {
            "user_id": user_ids[0] if dice.random() < BUSY else dice.choice(user_ids),
            "name": f"{dice.choice(MAKERS)} {shape} {device.lower()} {index + 1}",
            "description": f"A {shape} {device.lower()} for the home and the ward, in its second generation.",
            "device_type": device,
            "intended_use": f"To be used by trained staff as {device.lower()} for adults, under supervision.",
            "status": dice.choices(statuses, (35, 45, 20))[0],
            "created_at": created,
            "updated_at": created + (now - created) * dice.random(),
        }


def classification_rows(dice: random.Random, project_id: int, when: datetime) -> Iterator[Row]:
    """One for most projects, two for some."""
    for _ in range(dice.choice((0, 1, 1, 1, 2))):
        device_class = dice.choice(tuple(PATHWAYS))
        yield {
            "project_id": project_id,
            "created_at": when,
            "device_class": device_class,
            "product_code": dice.choice(CODES),
            "regulatory_pathway": PATHWAYS[device_class],
            "cfr_sections": dice.sample(SECTIONS, 2),
            "confidence_score": score(dice),
            "reasoning": "Its intended use and its technology are those of the named sections.",
            "sources": ["21 CFR", "product classification database"],
        }


def predicate_rows(dice: random.Random, project_id: int, when: datetime) -> Iterator[Row]:
    """None to six."""
    for _ in range(dice.randrange(7)):
        compared = dice.random() < 0.5
        yield {
            "project_id": project_id,
            "created_at": when,
            "k_number": f"K{dice.randrange(10**6):06}",
            "device_name": f"{dice.choice(MAKERS)} {dice.choice(DEVICES).lower()}",
            "intended_use": "Noninvasive monitoring of adults in hospitals.",
            "product_code": dice.choice(CODES),
            "clearance_date": (when - timedelta(days=dice.randrange(300, 4000))).date(),
            "confidence_score": score(dice),
            "comparison_data": {"technology": "same", "materials": "similar", "risk": "no new one"}
            if compared
            else None,
            "is_selected": compared and dice.random() < 0.5,
        }


def document_rows(dice: random.Random, project_id: int, when: datetime) -> Iterator[Row]:
    """None to three."""
    for number in range(dice.randrange(4)):
        kind = dice.choice(KINDS)
        yield {
            "project_id": project_id,
            "created_at": when,
            "filename": f"{kind.replace(' ', '-')}-{number + 1}.pdf",
            "file_path": f"projects/{project_id}/{number + 1}.pdf",
            "document_type": kind,
            "details": {"pages": dice.randrange(2, 120)},
        }


def interaction_rows(dice: random.Random, project_id: int, when: datetime) -> Iterator[Row]:
    """None to four."""
    for number in range(dice.randrange(5)):
        yield {
            "project_id": project_id,
            "created_at": when + timedelta(minutes=7 * number),
            "agent_action": dice.choice(ACTS),
            "input_data": {"project": project_id, "depth": dice.randrange(1, 4)},
            "output_data": {"found": dice.randrange(40), "kept": dice.randrange(6)},
            "confidence_score": score(dice),
            "sources": ["guidance documents"],
            "reasoning": "What was found is close to the intended use.",
            "execution_time_ms": dice.randrange(200, 30_000),
        }


PARTS: dict[type[Part], Any] = {  # Any: each makes the rows of one project
    DeviceClassification: classification_rows,
    PredicateDevice: predicate_rows,
    ProjectDocument: document_rows,
    AgentInteraction: interaction_rows,
}


def part_rows(dice: random.Random, kind: type[Part], project_ids: Sequence[int], now: datetime) -> Iterator[Row]:
    """The rows of one *kind*, for all projects."""
    for project_id in project_ids:
        yield from PARTS[kind](dice, project_id, now - timedelta(minutes=dice.randrange(60, DAYS * 24 * 60)))


def score(dice: random.Random) -> float:
    """How sure somebody is."""
    return round(dice.uniform(0.5, 0.99), 2)
