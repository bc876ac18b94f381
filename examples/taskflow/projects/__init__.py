"""Projects: a medical device on its way to clearance, with what has been found out about it."""
