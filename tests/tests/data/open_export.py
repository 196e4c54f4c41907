"""Opens a sealed export (docs/protocol.md) by RFC 9180 alone: argv is the export and the recipient's key (PKCS#8 PEM).
Writes the protobuf message that is inside to standard output."""

import hashlib
import sys

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

# number: curve, hash, KEM id, KDF id, bytes of a point
SUITES = {
    1: (ec.SECP256R1(), hashes.SHA256(), 0x0010, 0x0001, 65),
    2: (ec.SECP384R1(), hashes.SHA384(), 0x0011, 0x0002, 97),
}
AES_256_GCM = 0x0002

export = open(sys.argv[1], "rb").read()
key = serialization.load_pem_private_key(open(sys.argv[2], "rb").read(), None)
assert export[:16] == b"claviger export\n" and export[16] == 1
curve, digest, kem, kdf, size = SUITES[export[17]]
head, enc, sealed = export[:50], export[50 : 50 + size], export[50 + size :]

public = key.public_key()
spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
assert hashlib.sha256(spki).digest() == head[18:]


def extract(suite, salt, label, ikm):
    mac = hmac.HMAC(salt or bytes(digest.digest_size), digest)
    mac.update(b"HPKE-v1" + suite + label + ikm)
    return mac.finalize()


def expand(suite, prk, label, info, length):
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(digest, length, info).derive(prk)


# Decap (section 4.1)
point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(curve, enc)
dh = key.exchange(ec.ECDH(), ephemeral)
suite = b"KEM" + kem.to_bytes(2, "big")
shared = expand(suite, extract(suite, b"", b"eae_prk", dh), b"shared_secret", enc + point, digest.digest_size)

# KeySchedule, base mode (section 5.1)
suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (kem, kdf, AES_256_GCM))
context = b"\0" + extract(suite, b"", b"psk_id_hash", b"")
context += extract(suite, b"", b"info_hash", b"claviger cryptstore export v1")
secret = extract(suite, shared, b"secret", b"")
aead = AESGCM(expand(suite, secret, b"key", context, 32))
sys.stdout.buffer.write(aead.decrypt(expand(suite, secret, b"base_nonce", context, 12), sealed, head))
