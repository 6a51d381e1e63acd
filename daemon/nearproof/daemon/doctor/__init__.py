"""`nearproof doctor`: what this machine lacks for its part in a copy, and the line that mends it.

Nothing here changes the machine.  An area (`bluetooth`, `camera`, ...) gathers facts and holds
the checks that judge them; a check is a pure function from facts to a result.
"""
