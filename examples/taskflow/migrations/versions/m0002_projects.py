"""Projects and what belongs to them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """One step on."""
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("device_type", sa.String(255), nullable=False),
        sa.Column("intended_use", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_projects_user_id"),
    )
    op.create_index("ix_projects_user_id_updated_at", "projects", ["user_id", "updated_at"])
    create_part(
        "device_classifications",
        sa.Column("device_class", sa.String(3), nullable=False),
        sa.Column("product_code", sa.String(10), nullable=False),
        sa.Column("regulatory_pathway", sa.String(10), nullable=False),
        sa.Column("cfr_sections", sa.JSON(), nullable=False),
        sa.Column("confidence_score", sa.Double(), nullable=False),
        sa.Column("reasoning", sa.Text(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
    )
    create_part(
        "predicate_devices",
        sa.Column("k_number", sa.String(20), nullable=False),
        sa.Column("device_name", sa.String(255), nullable=False),
        sa.Column("intended_use", sa.Text(), nullable=False),
        sa.Column("product_code", sa.String(10), nullable=False),
        sa.Column("clearance_date", sa.Date()),
        sa.Column("confidence_score", sa.Double(), nullable=False),
        sa.Column("comparison_data", sa.JSON()),
        sa.Column("is_selected", sa.Boolean(), nullable=False),
    )
    create_part(
        "project_documents",
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("file_path", sa.String(500), nullable=False),
        sa.Column("document_type", sa.String(50), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
    )
    create_part(
        "agent_interactions",
        sa.Column("agent_action", sa.String(100), nullable=False),
        sa.Column("input_data", sa.JSON(), nullable=False),
        sa.Column("output_data", sa.JSON(), nullable=False),
        sa.Column("confidence_score", sa.Double(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("reasoning", sa.Text(), nullable=False),
        sa.Column("execution_time_ms", sa.Integer(), nullable=False),
    )


def create_part(table: str, *columns: sa.Column[object]) -> None:
    """A table of what belongs to a project, and goes with it."""
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=f"fk_{table}_project_id", ondelete="CASCADE"),
    )
    op.create_index(f"ix_{table}_project_id", table, ["project_id"])


def downgrade() -> None:
    """One step back."""
    for table in (
        "agent_interactions",
        "project_documents",
        "predicate_devices",
        "device_classifications",
        "projects",
    ):
        op.drop_table(table)
