"""The identity provider's side: an HTTP service over SQLite or PostgreSQL.

    wire         what goes over HTTP: bodies, codes, media types   (client and server)
    client       one HTTP exchange over pinned TLS                 (client)
    signatures   RFC 9421 request signatures                       (client and server)
    policy       the limits
    facts        what the rules judge
    rules        starting, copying, cancelling, revoking: pure     no I/O, no clock
    enrolling    user ID, SMS code, PIN, active: pure
    pins         what a PIN try costs: pure
    schema       the tables, made by `migrations`
    databases    what differs between SQLite and PostgreSQL
    store        transactions                                      the database's clock
    records      rows in, facts out (on outbox, ledger, rows)
    exchange     requests and answers, apart from the web framework
    desk         who asks, has it been asked before, is the PIN right
    copies       what OLD asks        |
    enrolments   what NEW asks        | one use case a method, one transaction each
    service      everything else      |
    app          HTTP around the service
    sms          texts, ports, and the worker that empties the outbox
    data_dir     issuer key, certificate and database at rest
    server       uvicorn, TLS, the join line
    workers      several processes on one socket
    admin        what its operator does at the console
    conformance  checks for anybody's backend
    suite        laptops that they try it with
    operators    who gives them invites and SMS codes

The contract is `openapi.yaml`.  Nothing is imported here, so that a client pays for the
shared modules alone.
"""
