"""From a user's function to a cached one."""
