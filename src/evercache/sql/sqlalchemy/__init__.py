"""Everything that imports SQLAlchemy."""
