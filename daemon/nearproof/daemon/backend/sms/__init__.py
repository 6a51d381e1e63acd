"""SMS: what they say, the ports that carry them, and the worker that empties the outbox.

texts         what an SMS says, in English and Danish
ports         file, console, webhook
modemmanager  a modem of this machine, over D-Bus
dispatch      outbox -> port, at least once
"""
