"""A stand-in for the controller and the authentication service of Deephaven Enterprise.

    connection.json (HTTP) ── AuthApi, ControllerApi (gRPC over TLS, loopback) ── queries ── worker processes

It serves what a client of the extra `deephaven` asks for, on the messages of that installed client: nothing
of it is copied here. It runs in an interpreter that has the extra and imports nothing else of openbell, so
every module here is for that interpreter only. docs/deephaven-simulator.md: how far it can be trusted.
"""
