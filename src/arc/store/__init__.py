"""The store: rows to nouns and back, on SQLite or PostgreSQL; the only room that knows SQLAlchemy."""
