"""An export as PDF: the same content, set for reading."""

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from io import BytesIO
from pathlib import Path

import reportlab
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import inch
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from examples.taskflow.projects.schemas import ProjectExport

WIDTH = A4[0] - 2 * inch - 12
BLUE = colors.HexColor("#1d4e89")
GRID = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
        ("LINEBELOW", (0, 0), (-1, 0), 0.75, BLUE),
    ]
)


@cache
def styles() -> dict[str, ParagraphStyle]:
    """The styles of text, once the fonts are known: ReportLab's own, which have more letters than PDF's."""
    fonts = Path(reportlab.__file__).parent / "fonts"
    for name in ("Vera", "VeraBd"):
        pdfmetrics.registerFont(TTFont(name, fonts / f"{name}.ttf"))
    text = ParagraphStyle("text", fontName="Vera", fontSize=8.5, leading=12)
    return {
        "text": text,
        "bold": ParagraphStyle("bold", text, fontName="VeraBd"),
        "title": ParagraphStyle("title", text, fontName="VeraBd", fontSize=18, leading=24, textColor=BLUE),
        "section": ParagraphStyle(
            "section", text, fontName="VeraBd", fontSize=11, leading=14, spaceBefore=14, spaceAfter=4, textColor=BLUE
        ),
    }


def render(export: ProjectExport) -> bytes:
    """*export* as a PDF; the same export gives the same bytes.  Blocks: call it in a thread."""
    file = BytesIO()
    # invariant: no time of making and no random id in the file.
    page = SimpleDocTemplate(file, pagesize=A4, title=export.project.name, author="TaskFlow", invariant=1)
    page.build(list(story(export)))
    return file.getvalue()


def story(export: ProjectExport) -> Iterable[Flowable]:
    """What stands in the file, from top to bottom."""
    project = export.project
    yield text(project.name, "title")
    yield text(f"{project.device_type or 'No type of device'}; {project.status}; changed {project.updated_at:%Y-%m-%d}")
    for heading, words in (("Description", project.description), ("Intended use", project.intended_use)):
        if words:
            yield text(heading, "section")
            yield text(words)
    yield from section(
        "Classifications",
        ("Class", "Pathway", "Code", "Confidence", "Reasoning"),
        (1, 2, 1, 2, 7),
        [
            (
                each.device_class,
                each.regulatory_pathway,
                each.product_code,
                f"{each.confidence_score:.0%}",
                each.reasoning,
            )
            for each in export.classifications
        ],
    )
    yield from section(
        "Predicate devices",
        ("Number", "Device", "Cleared", "Confidence", "Selected"),
        (2, 5, 2, 2, 2),
        [
            (
                each.k_number,
                each.device_name,
                str(each.clearance_date or ""),
                f"{each.confidence_score:.0%}",
                "yes" if each.is_selected else "",
            )
            for each in export.predicate_devices
        ],
    )
    yield from section(
        "Documents",
        ("File", "Kind", "Added"),
        (6, 4, 3),
        [(each.filename, each.document_type, f"{each.created_at:%Y-%m-%d}") for each in export.documents],
    )
    yield from section(
        "Agents",
        ("When", "What", "Confidence", "Reasoning"),
        (3, 3, 2, 5),
        [
            (f"{each.created_at:%Y-%m-%d %H:%M}", each.agent_action, f"{each.confidence_score:.0%}", each.reasoning)
            for each in export.interactions
        ],
    )


def section(
    heading: str, columns: Sequence[str], shares: Sequence[float], rows: Sequence[Sequence[str]]
) -> Iterable[Flowable]:
    """A heading and a table whose columns have these *shares* of the width, or nothing if there are no rows."""
    if rows:
        yield text(heading, "section")
        cells = [[text(name, "bold") for name in columns], *([text(cell) for cell in row] for row in rows)]
        widths = [WIDTH * share / sum(shares) for share in shares]
        # splitInRow: a reasoning may be longer than a page.
        yield Table(cells, widths, repeatRows=1, splitInRow=1, style=GRID)
        yield Spacer(1, 4)


def text(words: str, style: str = "text") -> Paragraph:
    """*words* as they are: a name may hold a < and is no markup."""
    return Paragraph(escape(words).replace("\n", "<br/>"), styles()[style])
