"""A self-signed certificate for loopback, made of what the client brings along (Cryptodome)."""

from __future__ import annotations

from base64 import encodebytes
from datetime import datetime, timedelta

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC
from Cryptodome.Random.random import getrandbits
from Cryptodome.Signature import DSS
from Cryptodome.Util.asn1 import (
    DerBitString,
    DerBoolean,
    DerInteger,
    DerObjectId,
    DerOctetString,
    DerSequence,
    DerSetOf,
)

_ECDSA_SHA256 = DerSequence([DerObjectId("1.2.840.10045.4.3.2")])
_COMMON_NAME = DerObjectId("2.5.4.3")
_ALTERNATIVE_NAMES = DerObjectId("2.5.29.17")
_CONSTRAINTS = DerObjectId("2.5.29.19")
_UTC_TIME, _UTF8, _DNS, _ADDRESS, _VERSION, _EXTENSIONS = 0x17, 0x0C, 0x82, 0x87, 0xA0, 0xA3


def certificate(now: datetime, valid: timedelta = timedelta(days=30)) -> tuple[bytes, bytes]:
    """Key and certificate as PEM, for `localhost` and 127.0.0.1."""
    key = ECC.generate(curve="p256")
    name = DerSequence(
        [DerSetOf([DerSequence([_COMMON_NAME, _tagged(_UTF8, b"openbell testing")])])]
    ).encode()
    hosts = DerSequence([_tagged(_DNS, b"localhost"), _tagged(_ADDRESS, bytes((127, 0, 0, 1)))])
    extensions = DerSequence(
        [
            DerSequence([_CONSTRAINTS, DerBoolean(True), _octets(DerSequence([DerBoolean(True)]).encode())]),
            DerSequence([_ALTERNATIVE_NAMES, _octets(hosts.encode())]),
        ]
    )
    body = DerSequence(
        [
            _tagged(_VERSION, DerInteger(2).encode()),
            DerInteger(getrandbits(64)),
            _ECDSA_SHA256,
            name,
            DerSequence([_time(now - timedelta(hours=1)), _time(now + valid)]),
            name,
            key.public_key().export_key(format="DER"),
            _tagged(_EXTENSIONS, extensions.encode()),
        ]
    ).encode()
    signature = DSS.new(key, "fips-186-3", encoding="der").sign(SHA256.new(body))
    whole = DerSequence([body, _ECDSA_SHA256, DerBitString(signature)]).encode()
    private = str(key.export_key(format="PEM", use_pkcs8=True)).encode()
    return private, b"-----BEGIN CERTIFICATE-----\n" + encodebytes(whole) + b"-----END CERTIFICATE-----\n"


def _tagged(tag: int, payload: bytes) -> bytes:
    """A value under a tag of one byte."""
    size = len(payload)
    length = bytes((size,)) if size < 0x80 else bytes((0x82, *size.to_bytes(2, "big")))
    return bytes((tag,)) + length + payload


def _time(at: datetime) -> bytes:
    return _tagged(_UTC_TIME, at.strftime("%y%m%d%H%M%SZ").encode())


def _octets(payload: bytes) -> bytes:
    found: bytes = DerOctetString(payload).encode()
    return found
