"""A shared HTTP cache inside the application server: the decisions of RFC 9110 and 9111, one file for each question.

Everything here is a pure function over raw header pairs and times: no I/O, no clock, no framework. Times are seconds
since the Unix epoch, spans are seconds. A message can't make a decision raise: what is malformed is decided as the RFC
says, and where it says nothing, in the direction that stores less and serves fresher.

    may it be stored?        storable   credentials   directives   targeted   lifetime   policy
    under which key?         key   query   vary
    may it be reused?        response   reuse   age   conditional   ranges   etag   validate
    what must be dropped?    unsafe   groups
    what is sent?            answer   status
    how is it written?       fields   dates   structured
"""
