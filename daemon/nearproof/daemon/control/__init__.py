"""The one process of a laptop that stays: its socket, and what is asked through it.

    varlink      the wire: JSON objects ended by a NUL byte, and the errors of Varlink itself
    io.nearproof.Laptop.varlink    the interface, published
    interface    the same in types: what goes in, what comes out
    front        who is in front of the laptop, at the other end of a connection
    laptopd      the methods: each runs a role or asks the account
    serving      one connection: call after call, and a client that vanishes
    sockets      where the socket is, who may use it, whether somebody listens
    client       the command line's end: tells, asks and shows what comes
    watch        whom the daemon hears for, and what goes wrong then
    hearing      the account's events and the waiting hour, told to the desktop
    activation   the same hour of a laptop that has no account yet
    notices      what stands on the desktop then
    process      the daemon: socket, watch, readiness, watchdog
    systemd      sd_notify and the user unit

The command line runs the same service in its own process where no daemon runs.
"""
