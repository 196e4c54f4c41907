"""A stock key server and stock admission by OpenSSL and Python's cryptography, as strict and as careless as the stock ones.

usage: stock_server.py DIR DOMAIN MEASUREMENT

Writes policy_cert_file.DOMAIN and server.der into DIR, prints the ports of its key service and of its admission, and
serves until it is killed. What it is asked goes into DIR/log, a line each.
"""

import datetime
import pathlib
import socket
import ssl
import struct
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.utcnow()


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(message):
    """Fields by number, each with all its values."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = number()
        assert key >> 3 < 100, "a field that no stock program has"
        if key & 7 == 0:
            value = number()
        else:
            assert key & 7 == 2, key
            length = number()
            value = message[at:at + length]
            assert len(value) == length
            at += length
        fields.setdefault(key >> 3, []).append(value)
    return fields


def name(organization, common):
    return x509.Name([
        # 73 characters, where X.509 allows 64: stock certificates are like that.
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization, _validate=False),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ])


class Domain:
    def __init__(self, domain):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.subject = name(domain + "/policyAuthority", "policyKey")
        self.serial = 10
        self.cert = self.sign(self.subject, self.key.public_key(), 5 * 365, True)

    def sign(self, subject, key, days, authority=False):
        self.serial += 1
        both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(key)
            .serial_number(self.serial)
            .not_valid_before(NOW - datetime.timedelta(minutes=5)).not_valid_after(NOW + datetime.timedelta(days=days))
            .add_extension(x509.KeyUsage(True, False, False, False, False, True, authority, False, False), True)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def admit(self, measurement, key):
        return self.sign(name("Measured-" + measurement.hex(), "CertifierUsers"), key, 365)


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


class KeyServer:
    def __init__(self, directory, domain, measurement, log):
        self.log, self.entries = log, []
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        leaf = domain.admit(measurement, key.public_key())
        (directory / "server.der").write_bytes(der(leaf))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        chain = leaf.public_bytes(serialization.Encoding.PEM) + domain.cert.public_bytes(serialization.Encoding.PEM)
        (directory / "chain.pem").write_bytes(private + chain)
        policy = directory / "policy.pem"
        policy.write_bytes(domain.cert.public_bytes(serialization.Encoding.PEM))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "chain.pem")
        self.context.load_verify_locations(policy)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.named = None
        self.context.sni_callback = lambda tls, server, context: setattr(self, "named", server)

    def serve(self, tcp):
        with self.context.wrap_socket(tcp, server_side=True) as channel:
            assert self.named is None, "a stock client names no server"
            assert not channel.session_reused, "the stock server ends over a ticket that it gave"
            header = channel.recv(65536)
            assert len(header) == 4, f"the header is a record of its own, not {len(header)} bytes"
            length = struct.unpack("<i", header)[0]
            body = b""
            while len(body) < length:
                part = channel.recv(8192)
                assert part, "a short body: the stock server never ends over it"
                body += part
            answer = self.answer(parse(body))
            channel.sendall(struct.pack("<i", len(answer)))
            channel.sendall(answer)
            # And no close_notify.

    def first(self, tag):
        return next((entry for entry in self.entries if entry[1] == [tag]), None)

    def answer(self, request):
        tag, what = request[1][0], request[2][0].decode()
        self.log(what + " " + tag.decode())
        answer = field(1, tag) + field(2, b"final")
        if what == "retrieve":
            entry = self.first(tag)
            if entry is None or entry.get(6) != [1]:
                return answer + field(3, b"failed")
            whole = b"".join(field(number, value[0]) for number, value in sorted(entry.items()))
            return answer + field(3, b"succeeded") + field(4, whole)
        assert what == "store", what
        if request.get(3) == [b"binary-blob"]:
            entry = {1: [tag], 2: [b"binary-blob"], 3: request.get(4, [0]), 5: request[5], 6: [1]}
        else:
            entry = parse(request[5][0])
        self.put(entry)
        return answer + field(3, b"succeeded")

    def put(self, entry):
        there = self.first(entry[1][0])
        version = entry.get(3, [0])[0]
        if there is None:
            self.entries.append(entry | {3: [1]})
        elif version == 0:
            highest = max(other[3][0] for other in self.entries if other[1] == entry[1])
            self.entries.append(entry | {3: [highest + 1]})
        else:
            # Whichever version it is.
            there.update(entry | {3: [version]})


class Admission:
    def __init__(self, domain, measurement, log):
        self.domain, self.measurement, self.log = domain, measurement, log

    def serve(self, tcp):
        header = tcp.recv(4)
        assert header[3] == 0, "the stock service reads three bytes of the length"
        length = struct.unpack("<i", header)[0]
        body = b""
        while len(body) < length:
            part = tcp.recv(length - len(body))
            assert part, "a short body"
            body += part
        answer = self.answer(parse(body))
        tcp.sendall(struct.pack("<i", len(answer)))
        tcp.sendall(answer)
        # The client closes.
        tcp.recv(1)

    def answer(self, request):
        self.log("admission " + request[4][0].decode())
        answer = field(2, request[1][0]) + field(3, request[2][0])
        try:
            key = self.judge(request)
        except Refused as refused:
            print("refused:", refused, file=sys.stderr)
            return field(1, b"failed") + answer
        return field(1, b"succeeded") + answer + field(4, der(self.domain.admit(self.measurement, key)))

    def judge(self, request):
        assert request[3] == [b"vse-attestation-package"], request[3]
        endorsement, attestation = [parse(item) for item in parse(request[5][0])[3]]
        assert (endorsement[1], attestation[1]) == ([b"signed-claim"], [b"signed-vse-attestation-report"])
        report = parse(attestation[2][0])
        signer = public_key(parse(report[3][0]))
        signer.verify(report[5][0], report[2][0], padding.PKCS1v15(), hashes.SHA256())
        info = parse(report[2][0])
        if info[2][0] != self.measurement:
            raise Refused("the measurement isn't trusted")
        # It reads no more than the year.
        if not int(info[3][0][:4]) <= NOW.year < int(info[4][0][:4]):
            raise Refused("out of range")
        said = parse(info[5][0])
        assert sorted(said) == [1, 2, 3], sorted(said)
        return public_key(parse(said[3][0]))


class Refused(Exception):
    pass


def public_key(message):
    numbers = parse(message[4][0])
    modulus, exponent = (int.from_bytes(numbers[number][0], "big") for number in (1, 2))
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def listen(server):
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            tcp, _ = listener.accept()
            try:
                server.serve(tcp)
            except (AssertionError, OSError) as error:
                # The stock programs mostly die of it.
                print(type(server).__name__, type(error).__name__, error, file=sys.stderr, flush=True)
            tcp.close()

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def main():
    directory, domain, measurement = pathlib.Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])

    def log(line):
        with open(directory / "log", "a", encoding="ascii") as out:
            print(line, file=out)

    authority = Domain(domain)
    (directory / ("policy_cert_file." + domain)).write_bytes(der(authority.cert))
    key_server = listen(KeyServer(directory, authority, measurement, log))
    admission = listen(Admission(authority, measurement, log))
    print(key_server, admission, flush=True)
    threading.Event().wait()


main()
