"""Boardrooms: people who meet in sessions, talk in threads, and decide by votes in rounds."""
