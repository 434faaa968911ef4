"""The device's key and its TLS: both made once per process, neither checked by any client."""

from __future__ import annotations

import functools
import ssl
import tempfile
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.ca import server_context


@functools.cache
def device_key() -> bytes:
    """DevicePublicKey: hosts make a certificate over it when they pair (PKCS#1, PEM)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
    )


@functools.cache
def device_context() -> ssl.SSLContext:
    """The phone is the TLS server; SECLEVEL 0 because old hosts present weak certificates."""
    context = server_context()
    context.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")
    issued = trustme.CA().issue_cert("iphone.example.com")
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "device.pem")
        issued.private_key_and_cert_chain_pem.write_to_path(str(pem))
        context.load_cert_chain(pem)
    return context
