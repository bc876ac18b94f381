"""Sessions on the server: what a visitor's browser keeps is a name, and nothing else.

from evercache.sessions import SessionMiddleware, Sessions, session_of

token      the name, and what of it stands in the store
session    the data, as the application sees it          sessions   opening one, and putting away what was changed
backend    the contract of what keeps them               shared   memory
cookies    middleware
"""

from evercache.sessions.backend import SessionChanged, SessionGone, TooLarge
from evercache.sessions.cookies import Cookie
from evercache.sessions.middleware import SessionMiddleware, session_of
from evercache.sessions.session import ReadOnly, Session
from evercache.sessions.sessions import Opened, Sessions

__all__ = [
    "Cookie",
    "Opened",
    "ReadOnly",
    "Session",
    "SessionChanged",
    "SessionGone",
    "SessionMiddleware",
    "Sessions",
    "TooLarge",
    "session_of",
]
