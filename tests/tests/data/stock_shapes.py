"""What stock clients do to a connection, and what ended the stock server: by OpenSSL, from outside.

usage: stock_shapes.py POLICY_KEY POLICY_CERT PORT MEASUREMENT
"""

import socket
import ssl
import struct
import sys
import time

from stock_client import client_context, exchange, field, identity, read


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def framed(body):
    return struct.pack("<i", len(body)) + body


def succeeded(answer):
    return field(3, b"succeeded") in answer


def answer_of(channel):
    return read(channel, struct.unpack("<i", read(channel, 4))[0])


def store(name):
    return field(1, name) + field(2, b"store") + field(3, b"binary-blob") + field(5, b"secret of " + name)


def two_records(context, port):
    assert succeeded(exchange(context, port, store(b"two")))


def header_and_body_in_one(context, port):
    with context.wrap_socket(connect(port)) as channel:
        channel.sendall(framed(store(b"one")))
        assert succeeded(answer_of(channel))


def split_body(context, port):
    with context.wrap_socket(connect(port)) as channel:
        for byte in framed(store(b"split")):
            channel.sendall(bytes([byte]))
            time.sleep(0.005)
        assert succeeded(answer_of(channel))


def second_request(context, port):
    with context.wrap_socket(connect(port)) as channel:
        channel.sendall(framed(store(b"first")) + framed(store(b"second")))
        assert succeeded(answer_of(channel))
        assert channel.recv(1) == b"", "one request on a connection"


def short_body_then_end(context, port):
    channel = context.wrap_socket(connect(port))
    channel.sendall(struct.pack("<i", 1000) + b"short")
    # close_notify: the stock server then reads for ever.
    try:
        channel.unwrap().close()
    except (ssl.SSLError, OSError):
        pass


def close_without_reading(context, port):
    for _ in range(20):
        channel = context.wrap_socket(connect(port))
        channel.sendall(framed(store(b"left")))
        channel.close()


def handshake_and_leave(context, port):
    for _ in range(20):
        context.wrap_socket(connect(port)).close()


def hello_then_fin(context, port):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    channel = context.wrap_bio(incoming, outgoing)
    try:
        channel.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read()
    for _ in range(20):
        tcp = connect(port)
        tcp.sendall(hello)
        tcp.shutdown(socket.SHUT_WR)
        tcp.recv(1 << 16)
        tcp.close()


def silence(context, port):
    return [connect(port) for _ in range(50)] + [context.wrap_socket(connect(port)) for _ in range(10)]


def lengths(context, port):
    for length in (0, -1, -(1 << 31), (1 << 31) - 1):
        with context.wrap_socket(connect(port)) as channel:
            channel.sendall(struct.pack("<i", length))
            assert field(3, b"failed") in answer_of(channel), length


def no_certificate(policy_cert, port):
    channel = client_context(policy_cert).wrap_socket(connect(port))
    try:
        channel.sendall(framed(store(b"nobody")))
        assert channel.recv(1) == b"", "an application byte"
    except ssl.SSLError as error:
        assert "CERTIFICATE_REQUIRED" in str(error), error


def main():
    policy_key, policy_cert, port, measurement = sys.argv[1:]
    port = int(port)
    context = client_context(policy_cert)
    identity(context, policy_key, policy_cert, measurement)
    silent = silence(context, port)
    shapes = [two_records, header_and_body_in_one, split_body, second_request, short_body_then_end,
              close_without_reading, handshake_and_leave, hello_then_fin, lengths]
    for shape in shapes:
        shape(context, port)
        answer = exchange(context, port, field(1, b"two") + field(2, b"retrieve"))
        assert field(5, b"secret of two") in answer, (shape.__name__, answer)
    no_certificate(policy_cert, port)
    for name, there in ((b"split", True), (b"first", True), (b"second", False)):
        answer = exchange(context, port, field(1, name) + field(2, b"retrieve"))
        assert succeeded(answer) == there, name
    for channel in silent:
        channel.close()


main()
