"""A stock client by OpenSSL and Python's cryptography: no SNI, no ALPN, an RSA leaf with a long O, two records.

usage: stock_client.py POLICY_KEY POLICY_CERT PORT MEASUREMENT
"""

import datetime
import pathlib
import socket
import ssl
import struct
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def issue(policy_key, policy_cert, measurement):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    organization = "Measured-" + measurement
    subject = x509.Name([
        # 73 characters, where X.509 allows 64: stock certificates are like that.
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization, _validate=False),
        x509.NameAttribute(NameOID.COMMON_NAME, "CertifierUsers"),
    ])
    now = datetime.datetime.utcnow()
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(policy_cert.subject)
        .public_key(key.public_key())
        .serial_number(11)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(policy_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def field(number, value):
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def exchange(context, port, body):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as tcp:
        # Without a server_hostname there is no SNI.
        with context.wrap_socket(tcp) as channel:
            assert channel.version() == "TLSv1.3", channel.version()
            channel.sendall(struct.pack("<i", len(body)))
            channel.sendall(body)
            length = struct.unpack("<i", read(channel, 4))[0]
            answer = read(channel, length)
            assert channel.recv(1) == b"", "the connection ends after one answer"
            return answer


def read(channel, length):
    answer = b""
    while len(answer) < length:
        part = channel.recv(length - len(answer))
        assert part, "the connection ended early"
        answer += part
    return answer


def identity(context, policy_key, policy_cert, measurement):
    key = serialization.load_pem_private_key(pathlib.Path(policy_key).read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(pathlib.Path(policy_cert).read_bytes())
    with tempfile.NamedTemporaryFile() as own:
        own.write(issue(key, certificate, measurement))
        own.flush()
        context.load_cert_chain(own.name)


def client_context(policy_cert):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # A stock client checks the chain and no name.
    context.check_hostname = False
    context.load_verify_locations(policy_cert)
    return context


def main():
    policy_key, policy_cert, port, measurement = sys.argv[1:]
    context = client_context(policy_cert)
    identity(context, policy_key, policy_cert, measurement)
    store = field(1, b"from-python") + field(2, b"store") + field(3, b"binary-blob")
    answer = exchange(context, int(port), store + field(5, b"python's secret"))
    assert field(3, b"succeeded") in answer, answer
    answer = exchange(context, int(port), field(1, b"from-python") + field(2, b"retrieve"))
    assert field(5, b"python's secret") in answer, answer
    answer = exchange(context, int(port), field(1, b"missing") + field(2, b"retrieve"))
    assert field(3, b"failed") in answer, answer


if __name__ == "__main__":
    main()
