"""The drivers: the only place where link, clock and session machine meet.

A driver hands every input to its session with the time of now, carries out what the session
asks in return, in order, and passes what it tells to the role.  It decides nothing of the
protocol itself; all it adds is framing, one sender a link, and the search for the next link.
"""
