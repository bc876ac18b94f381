"""Rooms that listen: what a cache says about itself, for logs and monitoring."""
