"""asyncio without OpenSSL, which is 5 MB of a daemon's memory, and of no use to any command of ours.

`asyncio`, `hashlib` and `hmac` take `ssl` and `_hashlib` where they can, and do without where they cannot.
Whoever needs TLS imports `ssl` as ever; only asyncio's own is not there, and what serves HTTPS through
asyncio imports that itself, and first.
"""

import sys
from importlib import import_module

_OPENSSL = {"asyncio": "ssl", "hashlib": "_hashlib", "hmac": "_hashlib"}

for _taker, _part in _OPENSSL.items():
    if _taker not in sys.modules and _part not in sys.modules:
        sys.modules[_part] = None  # type: ignore[assignment]  # then it cannot be imported
        try:
            import_module(_taker)
        finally:
            del sys.modules[_part]

import asyncio  # noqa: E402

__all__ = ["asyncio"]
