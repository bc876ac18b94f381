"""The HTTP benchmark's parts: applications that answer the same bytes, servers that run them, and the load on them.

payload    the 2,025 bytes that every application answers
variants/  the applications: without a cache, with ours, with others'
serve      one application in a process of its own, under uvicorn
servers    starts such processes (and nginx), reads their CPU, ends them
older      an environment for peers that need older versions of what the others use
wrk        the load, and what it saw
listing    an endpoint over a table of 50,000 rows
workload   two hours of an API's traffic on a clock that only moves when told
"""
