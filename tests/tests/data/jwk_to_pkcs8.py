"""Makes a PKCS#8 key (DER, on standard output) of a private JWK, by the numbers that RFC 7518 and RFC 8037 say."""

import base64
import json
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

with open(sys.argv[1], "rb") as file:
    jwk = json.load(file)


def octets(name):
    return base64.urlsafe_b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4))


def number(name):
    return int.from_bytes(octets(name), "big")


if jwk["kty"] == "RSA":
    public = rsa.RSAPublicNumbers(number("e"), number("n"))
    numbers = (number(name) for name in ("p", "q", "d", "dp", "dq", "qi"))
    key = rsa.RSAPrivateNumbers(*numbers, public).private_key()
elif jwk["kty"] == "EC":
    curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[jwk["crv"]]
    public = ec.EllipticCurvePublicNumbers(number("x"), number("y"), curve)
    key = ec.EllipticCurvePrivateNumbers(number("d"), public).private_key()
else:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(octets("d"))
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    assert key.public_key().public_bytes(*raw) == octets("x")

sys.stdout.buffer.write(
    key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
)
