"""Signatures and keys that OpenSSL makes with randomness of its own.

An ECDSA signature needs a number that nobody can guess; RFC 6979 takes it from the key and the message, so that the same message signed
twice has the same bytes. New keys are made from what the run draws.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from papertape.runtime.patch.active import active

Pairs = list[tuple[Any, Any]]
Attributes = list[tuple[Any, str, object]]


def of_elliptic_curves(module: ModuleType) -> tuple[Pairs, Attributes]:
    """What draws in `cryptography.hazmat.primitives.asymmetric.ec`."""
    real_property = module.ECDSA.deterministic_signing
    real_generate = module.generate_private_key

    def is_deterministic(self: Any) -> bool:
        run = active()
        if run is None or not _is_supported():
            return bool(real_property.fget(self))
        run.count("ECDSA signature")
        return True

    def generate_private_key(curve: Any, backend: Any = None) -> Any:
        run = active()
        if run is None:
            return real_generate(curve, backend)
        run.count("private key")
        return module.derive_private_key(1 + run.entropy.below(curve.group_order - 1), curve)

    return [(real_generate, generate_private_key)], [(module.ECDSA, "deterministic_signing", property(is_deterministic))]


@functools.cache
def _is_supported() -> bool:
    """Whether this OpenSSL knows RFC 6979; from 3.2 on it does."""
    from cryptography.hazmat.backends.openssl.backend import backend

    return bool(backend.ecdsa_deterministic_supported())


def of_edwards_curves(module: ModuleType) -> Attributes:
    """How keys are made in `ed25519` and its three kin; what they sign never draws."""
    sizes = {"Ed25519PrivateKey": 32, "X25519PrivateKey": 32, "Ed448PrivateKey": 57, "X448PrivateKey": 56}
    return [
        (kind, "generate", _generating(kind, size)) for name, size in sizes.items() if (kind := getattr(module, name, None)) is not None
    ]


def _generating(kind: Any, size: int) -> Any:
    real = vars(kind)["generate"]

    def generate(cls: Any) -> Any:
        run = active()
        if run is None:
            return real.__get__(None, cls)()
        run.count("private key")
        return cls.from_private_bytes(run.entropy.bytes(size))

    return classmethod(generate)
