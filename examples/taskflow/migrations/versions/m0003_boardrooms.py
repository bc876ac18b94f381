"""Boardrooms: participants, sessions and threads, decisions with rounds and votes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
TABLES = (
    "boardrooms",
    "boardroom_participants",
    "boardroom_sessions",
    "boardroom_threads",
    "decisions",
    "decision_rounds",
    "votes",
)


def upgrade() -> None:
    """One step on."""
    op.create_table(
        "boardrooms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_boardrooms"),
        refers("boardrooms", "owner_id", "users"),
    )
    op.create_index("ix_boardrooms_owner_id", "boardrooms", ["owner_id"])
    op.create_table(
        "boardroom_participants",
        sa.Column("boardroom_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("boardroom_id", "user_id", name="pk_boardroom_participants"),
        belongs("boardroom_participants", "boardroom_id", "boardrooms"),
        refers("boardroom_participants", "user_id", "users"),
    )
    op.create_index("ix_boardroom_participants_user_id", "boardroom_participants", ["user_id"])
    op.create_table(
        "boardroom_sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("boardroom_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_boardroom_sessions"),
        belongs("boardroom_sessions", "boardroom_id", "boardrooms"),
        refers("boardroom_sessions", "user_id", "users"),
    )
    op.create_index("ix_boardroom_sessions_boardroom_id", "boardroom_sessions", ["boardroom_id"])
    op.create_table(
        "boardroom_threads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("thread_type", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_boardroom_threads"),
        belongs("boardroom_threads", "session_id", "boardroom_sessions"),
    )
    op.create_index("ix_boardroom_threads_session_id", "boardroom_threads", ["session_id"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("boardroom_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        belongs("decisions", "boardroom_id", "boardrooms"),
    )
    op.create_index("ix_decisions_boardroom_id", "decisions", ["boardroom_id"])
    op.create_table(
        "decision_rounds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decision_rounds"),
        belongs("decision_rounds", "decision_id", "decisions"),
        sa.UniqueConstraint("decision_id", "number", name="uq_decision_rounds_decision_id_number"),
    )
    op.create_table(
        "votes",
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("choice", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("round_id", "user_id", name="pk_votes"),
        belongs("votes", "round_id", "decision_rounds"),
        refers("votes", "user_id", "users"),
    )


def refers(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    """*column* names a row of *other*, which can't go as long as this one is there."""
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}")


def belongs(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    """*column* names a row of *other*, and this one goes with it."""
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def downgrade() -> None:
    """One step back."""
    for table in reversed(TABLES):
        op.drop_table(table)
