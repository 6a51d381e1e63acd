"""The identity provider's side: an HTTP service over one SQLite file.

    wire         what goes over HTTP: bodies, codes, media types   (client and server)
    client       one HTTP exchange over pinned TLS                 (client)
    signatures   RFC 9421 request signatures                       (client and server)
    rules        who may do what, when: pure                       no I/O, no clock
    schema       the tables
    store        transactions and queries                          the database's clock
    exchange     requests and answers, apart from the web framework
    records      what one transaction reads and writes
    service      one use case a method, one transaction each       rules + store
    app          HTTP around the service
    data_dir     issuer key, certificate and database at rest
    server       uvicorn, TLS, the join line
    admin        what its operator does at the console             invite, revoke

The contract is `openapi.yaml`.  Nothing is imported here, so that a client pays for the
shared modules alone.
"""
