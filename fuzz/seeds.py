#!/usr/bin/python3
"""Writes corpora from the golden vectors, and from messages of the setup dialogue: a folder a target.

A seed is kept under the name of what it shows; inputs that fuzzing finds are added beside them by hand.
"""

import base64
import json
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
VECTORS = FUZZ.parent / "tests/vectors"

ATTRIBUTE = "a0153013 0609 2a864886f70d010907 3106 1304 70617373"
CERTS = ("typical-31-years", "serial-all-ff", "serial-one", "aki-zero", "end-2049", "leap-day",
    "signature-synthetic-short-both")


def write(target, name, data):
    folder = FUZZ / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def pem(label, der):
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


def part(data):
    """Bytes behind their number."""
    return bytes([len(data)]) + data


def store_seeds():
    """Columns of rows (fuzz/store_row.c), and bytes of a database (fuzz/store.c)."""
    rows = {"tenant-uuid": b"\0\0\3" + bytes(range(16)), "flag-2": b"\0\2\1\2", "flag-1": b"\0\2\1\1",
        "device-text": b"\3\0\2" + b"mkrwifi1010", "text-with-nul": b"\3\0\2a\0b", "no-thing": b"\3\6\0",
        "thing-zero": b"\3\6\3" + bytes(16), "message": b"\3\x12\3" + bytes(256), "message-long": b"\3\x12\3" + bytes(257),
        "cert-state": b"\5\0\1\3", "cert-state-4": b"\5\0\1\4", "cert-years": b"\5\6\1\xff\xff", "minus-one": b"\5\6\1" + b"\xff" * 8,
        "event-body": b"\7\7\3" + bytes(300), "setting": b"\x08\1\2value", "real": b"\3\0\4"}
    for name, data in rows.items():
        write("store_row", name, data)
    for name, data in {"sound": b"", "no-header": bytes.fromhex("0000 0000 0000 58"), "one-page": b"\1\1", "empty": b"\1\0",
            "application-id": bytes.fromhex("0000 0000 0044 00"), "read-only": bytes.fromhex("0000 0000 0012 03"),
            "page-type": bytes.fromhex("0000 000d 0000 0a"), "cells": bytes.fromhex("0000 000d 0004 ff"),
            "schema-text": bytes.fromhex("0000 0000 0f80 5a"), "free-list": bytes.fromhex("0000 0000 0023 01")}.items():
        write("store", name, data)


NETWORK_FILES = {
    "catm1": '{"type":6,"catm1":{"pin":"1","apn":"a","login":"","pass":"","band":[1,8]}}',
    "ethernet": '{"type":2,"eth":{"ip":"10.0.0.7","dns":{"type":0,"bytes":[10,0,0,1]},"gateway":"","netmask":"255.0.0.0","timeout":15,"response_timeout":60}}',
    "wifi": '{"type":1,"wifi":{"ssid":"home","pwd":"secret"}}',
}


def setup_seeds(frames):
    hello, serial, zeros = "a200010101", "49454d0102030405064d", "00" * 32
    profile = "67" + b"arduino".hex()
    bodies = {"info": (2, "a0"), "plan": (3, "a100" + profile), "lock": (4, "a200" + profile + "01" + serial),
        "key": (5, "a100f5"), "csr": (6, "a100626964"), "read": (8, "a0"), "prove": (9, "a1005820" + zeros),
        "attest": (10, "a20054" + zeros[:40] + "01f4"), "wifi": (11, "a300010162686f0260"), "wipe": (12, "a100" + serial),
        "restart": (13, "a0")}
    for name, body in {"wifi": bodies["wifi"][1], "ethernet": "a700020144c0a800020240034004400514061903e8",
        "lora": "a600050170" + "30" * 16 + "027820" + "31" * 32 + "03050460056141"}.items():
        write("setup_network", name, bytes.fromhex(body))
    greeting = b"\x03\x01" + part(bytes.fromhex(hello))
    for name, (number, body) in bodies.items():
        locked = b"\x05\x00" if name in ("plan", "lock") else b"\x05\x03\x03\x05" + part(bytes.fromhex("a100f5"))
        write("setup_board", name, greeting + locked + bytes([3, number]) + part(bytes.fromhex(body)) + b"\x04")
    answers = {"hello": (1, "a300010162663102a10001"), "info": (2, "a60049" + "11" * 9 + "014400006002"
        "02f503f404000500"), "plan": (3, "a4000701f4025880" + "00" * 128 + "03420304"), "lock": (4, "a10007"),
        "key": (5, "a2005840" + "22" * 64 + "01f5"), "csr": (6, "a100443002" + "0000"), "prove": (9, "a1005840" + "33" * 64),
        "refused": (5, "a40006011840020f03626e6f")}
    for name, (number, body) in answers.items():
        fault = 14 if name == "refused" else 0
        write("setup_host", name, bytes([number, 3, fault]) + part(bytes.fromhex(body)))
    for name in ("status -100", "control nack", "wrong CRC"):
        write("setup_frame", name.replace(" ", "-"), b"\x07debug U" + bytes.fromhex(frames[name]["frame"] * 2))


def mqtt_seeds():
    down = b"/a/d/0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40/c/dw"
    leave, connack, suback = b"\x03\xff", bytes.fromhex("20020000"), bytes.fromhex("9003000100")
    message = b"\x30" + part(len(down).to_bytes(2, "big") + down + b"hello")
    online = leave + b"\x00" + part(connack) + leave + b"\x00" + part(suback)
    write("mqtt", "messages", online + b"\x02\x05hello" + leave + b"\x00" + part(message + message))
    listen = b"\x04\x01" + leave + b"\x00" + part(bytes.fromhex("9003000200"))
    write("mqtt", "listens", online + listen + b"\x00" + part(b"\x30\x0e\x00\x0a/a/t/1/e/ihi") + b"\x04\x02" + leave + b"\x00"
        + part(bytes.fromhex("b0020003")) + leave + b"\x00" + part(bytes.fromhex("9003000480")))
    write("mqtt", "ping", online + b"\x01\x78" + leave + b"\x00\x02\xd0\x00\x01\x78\x01\x78")
    write("mqtt", "refused", leave + b"\x00\x04\x20\x02\x00\x05")
    write("mqtt", "subscription-refused", leave + b"\x00" + part(connack) + leave + b"\x00" + part(suback[:4] + b"\x80"))
    write("mqtt", "other-topic", online + b"\x00" + part(b"\x30\x07\x00\x03/a/hi"))
    write("mqtt", "too-long", online + b"\x00" + part(b"\x30\xd0\x0f\x00\x2e" + down) + b"\x00\xff" * 9)


def up_file_seeds():
    up = {"schema": 1, "pid": 12, "server": "https://localhost:8443", "credentials": "/home/a/.config/imprint/credentials.json",
        "broker": {"host": "localhost", "port": 8885}, "run": "/run/user/1000/imprint",
        "boards": [{"name": "demo", "port": "/run/user/1000/imprint/tty/demo", "device_id": "a4b0acd9-1e8b-4ca6-b85b-ea3a4db3d31f"},
            {"name": "demo-2", "port": "", "device_id": ""}], "imprintd": {"pid": 13}, "mosquitto": {"pid": 14}}
    write("up_file", "two-boards", json.dumps(up).encode())
    write("up_file", "port-0", json.dumps({**up, "broker": {"host": "localhost", "port": 0}}).encode())
    write("up_file", "no-broker", json.dumps({**up, "broker": 1}).encode())
    ready = {"schema": 1, "server": "https://localhost:8443", "port": 8443, "pid": 123, "credentials": "/c", "state": "/s",
        "organization": "a4b0acd9-1e8b-4ca6-b85b-ea3a4db3d31f"}
    write("ready", "line", json.dumps(ready).encode())
    write("ready", "port-65536", json.dumps({**ready, "port": 65536}).encode())
    write("ready", "pid-true", json.dumps({**ready, "pid": True}).encode())
    write("ready", "twice", json.dumps(ready)[:-1].encode() + b',"port":1}')
    write("up_file", "33-boards", json.dumps({**up, "boards": 33 * [{}]}).encode())
    write("up_file", "long-name", json.dumps({**up, "boards": [{"name": 65 * "x", "port": "", "device_id": ""}]}).encode())


def ini_seeds():
    write("ini", "sections", b"; a comment\nlisten = 127.0.0.1\r\n[log]\nlevel: debug ; why\n\n[public]\nname=a,b\n")
    write("ini", "twice", b"port = 1\nport = 2\n")
    write("ini", "continued", b"port = 1\n  2\n")
    write("ini", "long", b"listen = " + 1000 * b"x" + b"\n")
    write("ini", "nul", b"port = 1\0\n")
    write("ini", "no-end", b"\xef\xbb\xbf[a]\nb")


def thing_seeds():
    """What a board and its cloud say about its thing."""
    ident = b"3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"
    tag = lambda number, rest: bytes.fromhex(f"da{number:08x}") + rest
    zone = bytes.fromhex("a2 00 69") + b"tz_offset" + bytes.fromhex("02 00 a2 00 6c") + b"tz_dst_until" + bytes.fromhex("02 1a 7fffffff")
    packs = {"time-zone": b"\x82" + zone, "empty": b"\x80", "light": bytes.fromhex("9f a2 00 65") + b"light" + bytes.fromhex("04 f5 ff"),
        "floats": bytes.fromhex("9f a2 00 61 61 02 f9 0001 a2 00 61 62 02 fa 41ac0000 a2 00 61 63 02 fb 3fb999999999999a ff"),
        "bases": bytes.fromhex("82 a5 20 0a 21 62") + b"u:" + bytes.fromhex("22 1b 0000000165000000 00 61 61 02 38 63 a3 00 61 62 08 42 0102 06 20"),
        "text": bytes.fromhex("81 a3 00 61 61 03 62 6869 01 61 56")}
    for name, pack in packs.items():
        write("senml", name, pack)
    update, begin = tag(0x010400, b"\x81\x78\x24" + ident), tag(0x010300, b"\x81\x60")
    values = tag(0x010600, b"\x81\x58" + part(packs["time-zone"]))
    messages = {"device-begin": tag(0x010700, b"\x81\x652.9.0"), "thing-begin": begin, "thing-update": update,
        "last-values-begin": tag(0x010500, b"\x80"), "last-values": values, "timezone": tag(0x010900, bytes.fromhex("82 390e0f 1a65000000")),
        "thing-detach": tag(0x011000, b"\x81\x78\x24" + ident), "net-config": tag(0x011100, b"\x82\x01\x64home")}
    for name, message in messages.items():
        write("thing_message", name, message)
    attached = b"\x00" + part(update) + b"\x02\x01"
    write("thing_board", "synchronised", attached + b"\x00" + part(values) + 8 * b"\x03\xff\x00" + b"\x01" + part(packs["light"]))
    write("thing_board", "nameless", b"\x00" + part(tag(0x010400, b"\x81\x60")) + 12 * b"\x03\xff\x00")
    write("thing_board", "detached", attached + b"\x00" + part(messages["thing-detach"]) + b"\x03\x04\x00")
    write("thing_board", "refused", b"\x00" + part(update) + b"\x02\x00\x03\x04\x00" + attached)


def value_seeds():
    """What is kept of a property."""
    for name, text in (("number", b"-21.1e2"), ("whole", b"9223372036854775807"), ("text", b'"a \\"\\u00fc\\u0000"'), ("true", b" true ")):
        write("value", name, text)
    write("inbox", "thing", b"/a/t/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/e/o")


def zone_seeds():
    """Files of time zones behind a time (fuzz/zone.c): one change, then a rule."""
    def head(times, types):
        return b"TZif2" + bytes(27) + b"".join(n.to_bytes(4, "big") for n in (times, types, 4))
    block = (1000).to_bytes(8, "big") + b"\1" + bytes(8) + b"\0\0\x0e\x10\0\0ABC\0"
    for name, now, rule in (("summer", 1784073600, b"CET-1CEST,M3.5.0,M10.5.0/3"), ("day-of-year", 1768435200, b"AAA0BBB,J60,300/-1"),
            ("no-rule", 1768435200, b""), ("before", 999, b"<+0530>-5:30")):
        write("zone", name, now.to_bytes(8, "big") + head(0, 1) + bytes(10) + head(1, 2) + block + b"\n" + rule + b"\n")


def feed_seeds():
    device, thing = b"0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40", b"3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"
    row = b"a " + device + b" 1 " + thing + b" " + 16 * b"0f" + b" - 253402300799\n"
    ca = b"ca " + 20 * b"a5" + b" 1\n"
    write("feed", "snapshot", b"v 1 77 0\nb\n" + ca + row + b"e 12\np\ns 13\nn\n")
    write("feed", "delta", b"v 1 1 0\nb\ne 1\n" + ca + row + b"k " + device + b"\nr " + device + b"\ns 2\nca " + 20 * b"a5" + b" 0\n")
    write("feed", "two-snapshots", b"v 1 1 0\nb\n" + row + b"e 1\nb\n" + ca + b"e 2\nlater verb\n")
    write("feed", "bad", b"v 1 1 1\na " + device + b" 2 - - - 1\n")
    write("conf", "identity", b"# a\nlistener 8885\nrequire_certificate true\n use_identity_as_username  true\r\n")
    write("conf", "two", b"per_listener_settings 1\nuse_username_as_clientid\ttrue")
    write("conf", "open", b"listener 1\ncafile /ca.pem\nlistener 2\nplugin /x/imprint-mosquitto.so\nplugin_opt_device_ca /ca.pem\n")
    write("conf", "hosts", b"127.0.0.1\tlocalhost\n\0::1 x\ninclude_dir /etc/conf.d\nplugin_load a b.so\nacl_file x\n")
    own = b"00010203-0405-0607-0809-0a0b0c0d0e0f"
    write("topics", "device", b"mill/{device}/count\nmill/" + own + b"/count")
    write("topics", "both", b"{thing}/{device}\n" + own + b"/" + own)
    write("topics", "fixed", b"x{device}\n/a/d/" + own + b"/c/up")
    write("topics", "none", b"mill/+/{device\n")
    write("conf", "none", b"per_listener_settings false\n#use_subject_as_username true\n")
    write("feed", "other-epoch", b"v 1 9 1\ns 1\n")


def feed_server_seeds():
    device, fp = b"0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40", 16 * b"ab"
    hello, board = b"v 1 00112233aabbccdd 9 4\n", device + b" " + fp + b" 192.0.2.7 4 1795392000000\n"
    write("feed_server", "life", hello + b"i north\nn\nc 7 " + board + b"o\ns 5\np\nc 8 " + board + b"d 7 1795392000001 taken-over\n")
    write("feed_server", "nameless", hello + b"n\no\n")
    write("feed_server", "refusals", hello + b"i a\nx revoked " + device + b" ::1\nx wrong-ca - -\nx many - 12\nd 8 5 -\nlater verb\n")
    write("feed_server", "bad", b"v 1 00112233aabbccdd 0 0\ni a\nn\nn\no\no\n")
    write("feed_server", "lasts", hello + b"l 60\nl -\ni a\nn\no\n")
    write("feed_server", "not-said", hello + b"s 6\n")


def http_seeds():
    host, close = b"Host: api2.arduino.cc\r\n", b"Connection: close\r\n"
    chunked, expect = b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"
    get = b"GET /a?b=c HTTP/1.1\r\n" + host
    put = b"PUT /iot/v2/devices HTTP/1.1\r\n" + host
    write("http", "get", b"\x00" + get + b"\r\n")
    write("http", "pipelined", b"\x05" + 6 * (get + b"\r\n") + get + close + b"\r\nGET")
    write("http", "sketch", b"\x11" + put + host + close + b"Content-Length: 2\r\n\r\n{}\r\n")
    write("http", "blank-behind-body", b"\x02" + 2 * (put + b"Content-Length: 2\r\n\r\n{}\r\n") + b"\r\n")
    write("http", "chunks", b"\x07" + put + chunked + b"\r\n3\r\nabc\r\n02;x=\"y\"\r\nde\r\n0\r\nA: b\r\n\r\n" + get + b"\r\n")
    write("http", "continue", b"\x03" + put + expect + b"Content-Length: 5\r\n\r\nhello")
    write("http", "two-lengths", b"\x01" + put + chunked + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + get + b"\r\n")
    write("http", "absolute", b"\x01OPTIONS https://h:1?q HTTP/1.1\r\n" + host + b"\r\nOPTIONS * HTTP/1.0\r\n\r\n")
    write("http", "old", b"\x01HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    write("http", "folded", b"\x01" + get + b"A: b\r\n c\r\n\r\n")
    write("http", "limits", b"\x01" + get + 20 * b"Aa: bcdefghijk\r\n" + b"\r\n")
    write("form", "sketch", b"grant_type=client_credentials&client_id=a%26b&audience=https://api2.arduino.cc/iot")
    write("form", "query", b"serial=&tags=a%3Ab&tags=c:d&show_deleted=true&&x+y")
    write("form", "wrong", b"a=%&b=%4&c=%00&d=1")


def api_seeds(csr):
    write("body", "sketch", b'\x00{"fqbn":"arduino:samd:mkrwifi1010","name":"NewDevice_1","type":"mkrwifi1010","serial":"01EE"}')
    write("body", "device", b'\x00{"connection_type":"wifi","user_id":"3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64","locked":true,'
        b'"wifi_fw_version":"1.5.0","ble_mac":"AA:BB:cc:00:11:22","unique_hardware_id":"0a","soft_deleted":false}')
    write("body", "text", b'\x00{"name":"\\u00fc\\ud83d\\ude00 \\"x\\""}')
    write("body", "certificate", b"\x01" + json.dumps({"ca": "Arduino_v2", "csr": csr, "enabled": True}).encode())
    write("body", "tag", b'\x02{"key":"place","value":"roof@home"}')
    write("body", "hidden", b'\x00{"name":"a\\u009b\xe2\x80\xae"}')
    write("body", "password", b'\x03{"password":"p4 ss"}')
    write("body", "thing", b'\x04{"name":"hall","timezone":"Europe/Rome","device_id":"3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"}')
    write("body", "detached", b'\x04{"device_id":null}')
    write("body", "disable", b'\x05{"reason":"lost in the woods"}')
    write("body", "revoke", b'\x06{"reason":"keyCompromise"}')
    write("body", "twice", b'\x00{"name":"a","name":"b"}')
    write("body", "deep", b"\x00" + 3000 * b"[")
    write("event", "plain", b"\x01\x00\x00\xc8" + bytes(64) + part(b"127.0.0.1") + part(b"") + b"\x00")
    write("event", "certificate", b"\x01\x02\x00\xc9" + bytes(range(64)) + part(b"::1") + part(b"name,serial")
        + b"\x02\x00\x00\x00\x00\x01\x00\xff\xff")
    json_type, form = "Content-Type: application/json\n", "Content-Type: application/x-www-form-urlencoded\n"
    nobody = "/iot/v2/devices/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"
    for name, request in {
        "token": "\0POST /iot/v1/clients/token\n" + form + "\ngrant_type=client_credentials&client_id=a&client_secret=b",
        "create": "\1PUT /iot/v2/devices\n" + json_type + "Idempotency-Key: k\n\n" + '{"type":"opta","name":"a"}',
        "list": "\1GET /iot/v2/devices?serial=1&tags=a:b&tags=c%3Ad&show_deleted=true\nX-Organization: \n\n",
        "update": "\1POST " + nobody + "\n" + json_type + '\n{"wifi_fw_version":"1.5.0"}',
        "delete": "\1DELETE " + nobody + "?force=true\n\n",
        "certificate": "\1PUT " + nobody + "/certs\n" + json_type + "\n" + json.dumps({"csr": csr, "enabled": True}),
        "one-certificate": "\1GET " + nobody + "/certs/" + "0a" * 16 + "\n\n",
        "tag": "\1DELETE " + nobody + "/tags/by%40home\n\n",
        "password": "\1GET " + nobody + "/pass?suggested_password=true\n\n",
        "credentials": "\1GET /iot/v1/network_credentials/opta?connection=wifi\n\n",
        "thing": "\1PUT /iot/v2/things\n" + json_type + '\n{"name":"a","timezone":"Europe/Rome","device_id":""}',
        "things": "\1GET /iot/v2/things?device_id=3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64&show_properties=true\n\n",
        "status": "\1GET " + nobody + "/status?limit=3&start=2026-11-23T02:00:00%2B01:00\n\n",
        "disable": "\1POST /v1" + nobody[7:] + ":disable\n" + json_type + '\n{"reason":"lost"}',
        "revoke": "\1POST /v1" + nobody[7:] + ":revoke\n" + json_type + 'Idempotency-Key: r\n\n{"reason":"superseded"}',
        "visits": "\1GET /v1" + nobody[7:] + "/visits?limit=100\n\n",
        "brokers": "\1GET /v1/brokers\n\n",
        "metrics": "\1GET /metrics\n\n",
        "watch": "\1GET /v1/events?replay=all&device=3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64\nLast-Event-ID: 1.2\n\n",
        "boards": "\1GET /iot/v1/supported/devices\nAccept: application/json\n\n",
        "other-method": "\1PATCH /iot/v2/devices\nX-Organization: 3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64\n\n",
    }.items():
        write("request", name, request.encode())
    write("login", "sketch", b"\ngrant_type=client_credentials&client_id=AbC&client_secret=s%2Bx&audience=https://api2.arduino.cc/iot")
    write("login", "basic", b"Basic QWJDOnM=\ngrant_type=client_credentials&client_id=AbC")
    write("login", "basic-escaped", b"basic QSUyNkI6cw==\nclient_id=other&organization_id=")
    write("login", "twice", b"\nclient_secret=a&client_secret=b")
def answer_seeds(cert):
    """What a cloud API answers."""
    ident, begin, sig = cert["device_id"], cert["issue"], cert["signature"]
    hour = "{}-{:02}-{:02}T{:02}:00:00Z"
    rest = begin["month"], begin["day"], begin["hour"]
    compressed = {"serial": cert["serial"], "authority_key_identifier": cert["authority_key_id"],
        "signature_asn1_x": sig[:64], "signature_asn1_y": sig[64:], "signature": "",
        "not_before": hour.format(begin["year"], *rest), "not_after": hour.format(begin["year"] + cert["expire_years"], *rest)}
    issued = {"id": "c1", "device_id": ident, "enabled": True, "href": "/", "pem": "",
        "der": base64.b64encode(bytes.fromhex(cert["der"])).decode(), "compressed": compressed}
    device = {"id": ident, "name": "kitchen", "type": "mkrwifi1010", "serial": "", "fqbn": None, "device_status": "ONLINE",
        "tags": {"room": "1"}, "last_activity_at": "2026-11-23T02:00:00Z"}
    visit = {"admitted": True, "began": "2026-11-23T02:00:00Z", "ended": "2026-11-23T02:01:00Z", "reason": "taken-over",
        "address": "192.0.2.9", "broker": "mosquitto"}
    detail = {"id": ident, "name": "kitchen", "enabled": True, "certificates": [{"id": "0a", "state": "revoked",
        "enabled": False, "level": 1, "reason": "keyCompromise"}], "brokers": {"reached": 1, "waiting": ["a", "b"]},
        "presence": {"state": "online", "since": "2026-11-23T02:00:00Z"}, "visits": [visit]}
    brokers = {"seq": 9, "brokers": [{"name": "mosquitto", "state": "fresh", "seq": 9, "boards": 1}]}
    for name, value in {"detail": detail, "visits": {"visits": [visit]}, "brokers": brokers,
            "cert": issued, "certs": [issued], "device": device, "devices": [device],
            "visit": {"device": ident, "name": "kitchen", "connected": False, "admitted": True, "broker": "mosquitto",
                "address": "192.0.2.9", "began": "2026-11-23T02:00:00Z", "ended": "2026-11-23T02:00:05Z", "reason": "revoked"},
            "value": {"device": ident, "name": "led", "value": [1.5, "on", True]},
            "token": {"access_token": "abc", "expires_in": 300, "token_type": "Bearer"},
            "error": {"id": "a", "code": "not_found", "status": 404, "detail": "no such device"}}.items():
        write("answer", name, json.dumps(value).encode())
    thing = {"href": "/", "id": ident, "name": "hall", "timezone": "Europe/Rome", "user_id": ident, "device_id": ident, "device_name": "kitchen",
        "properties": [{"name": "led", "last_value": True, "value_updated_at": "2026-11-23T09:00:00Z"}, {"name": "label", "last_value": "a"}]}
    write("answer", "thing", json.dumps(thing).encode())
    write("answer", "hidden", json.dumps({**thing, "name": "a\x9b2J\u202eb"}).encode())
    write("answer", "things", json.dumps([thing, {**thing, "device_id": 1}]).encode())
    write("answer", "waiting", b"reached=1 waiting=mosquitto,south.2")
    who = {"client": "c" * 32, "secret": "s" * 64, "organization": ident, "server": "https://localhost:8443", "ca": "/a.pem"}
    write("credentials", "whole", json.dumps(who).encode())
    write("credentials", "server", b"https://[::1]:8443/")
    write("credentials", "up", b'{"schema":1,"pid":1,"credentials":"/a/credentials.json"}')


def sse_seeds():
    audit = b'data: {"seq":41,"kind":"certificate.revoked","device":"0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"}\n\n'
    write("sse", "events", b"retry: 1000\nid: 40.7\n\nid: 41.7\nevent: audit\n" + audit + b": still here\nid: 41.7\n\n")
    write("sse", "line-ends", b"event: a\r\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n")
    write("sse", "lines-of-data", b"\xef\xbb\xbfdata: a\ndata\ndata:b\nid\nother: c\n\n")


def main():
    ini_seeds()
    sse_seeds()
    feed_seeds()
    feed_server_seeds()
    write("inbox", "topic", b"/a/d/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up")
    write("inbox", "topic-of-another-case", b"/a/d/3C1F7D52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up")
    write("inbox", "waits-ten-seconds", bytes([1, 0, 1, 1, 50, 1, 1, 50, 1, 2, 0, 1, 1, 100, 1]))
    write("inbox", "no-room", bytes(b for board in range(12) for b in (board, 1, board // 6)))
    http_seeds()
    up_file_seeds()
    golden, authority, provisioning = (json.loads((VECTORS / name).read_text(encoding="utf-8"))
        for name in ("certificates.json", "authority.json", "provisioning2.json"))
    csrs = {csr["name"]: csr for csr in golden["csr"]}
    certs = {cert["name"]: cert for cert in golden["certificates"]}

    for name in ("device-id-cn", "uhwid-cn", "full-subject", "empty-subject"):
        write("csr", name, bytes.fromhex(csrs[name]["der"]))
    plain = bytes.fromhex(csrs["empty-subject"]["der"])
    more = bytes.fromhex(ATTRIBUTE)
    info = plain[3:].index(b"\xa0\x00") + 3
    body = plain[5:info] + more
    inner = b"\x30" + (b"\x81" if len(body) > 127 else b"") + bytes([len(body)]) + body
    api_seeds(csrs["device-id-cn"]["pem"])
    write("csr", "attribute", b"\x30\x81" + bytes([len(inner) + len(plain) - info - 2]) + inner + plain[info + 2:])

    for name in CERTS:
        cert = certs[name]
        write("certificate", name, bytes.fromhex(cert["der"]))
        write("ccert", name, bytes.fromhex(cert["slot10"] + cert["slot11_written"]
            + cert["slot12_after_certificate_write"][:72] + cert["public_xy"]))
    write("ccert", "certificate", bytes.fromhex(certs["typical-31-years"]["der"]))
    for name, der in authority["certificates"].items():
        write("certificate", name, bytes.fromhex(der))
    for cert in golden["self_signed_secure_element"]:
        write("certificate", "self-signed-" + cert["name"], bytes.fromhex(cert["der"]))

    for name in ("device_ca", "device_ca_2_same_subject", "arduino_leaf"):
        write("ca_certificate", name, bytes.fromhex(authority["certificates"][name]))
        write("anchor", name, pem("CERTIFICATE", bytes.fromhex(authority["certificates"][name])))
    for name in ("typical-31-years", "end-2049", "serial-high-bit", "leap-day", "aki-zero"):
        write("lint_tbs", name, bytes.fromhex(certs[name]["tbs"]))
    modern = bytes.fromhex(authority["certificates"]["modern_leaf"])
    write("lint_tbs", "modern", modern[4:8 + int.from_bytes(modern[6:8], "big")])

    for message in provisioning["device_to_host"] + provisioning["host_to_device"]:
        if message["name"] in ("status -100", "board public key", "wifi settings", "not CBOR"):
            write("cbor", message["name"].replace(" ", "-"), bytes.fromhex(message["payload"]))
    for name in sorted(NETWORK_FILES):
        write("network_file", name, NETWORK_FILES[name].encode())
    mqtt_seeds()
    thing_seeds()
    zone_seeds()
    value_seeds()
    store_seeds()
    setup_seeds({row["name"]: row for row in provisioning["device_to_host"] + provisioning["host_to_device"]})
    write("cbor", "map-in-map", bytes.fromhex("a2004101 01a2 20f6 6161 81f5"))

    answer_seeds(certs["typical-31-years"])
    write("der", "certificate", bytes.fromhex(authority["certificates"]["modern_leaf"]))
    write("der", "request", bytes.fromhex(csrs["full-subject"]["der"]))
    write("der", "integer", bytes.fromhex("0209008000000000000001"))
    write("der", "oid", bytes.fromhex("06082a8648ce3d040302"))
    write("der", "set", bytes.fromhex("020105020106"))
    write("der", "long-form", b"\x04\x82\x01\x00" + bytes(256))

    write("text", "pem", csrs["device-id-cn"]["pem"].encode())
    write("text", "pem-crlf", b"Your CSR:\r\n" + csrs["uhwid-cn"]["pem"].replace("\n", " \r\n").encode())
    write("text", "hex", certs["typical-31-years"]["serial"].encode())
    write("text", "base64", b"Zm9vYmE=")
    write("time", "utc", b"2026-11-23T02:03:04Z")
    write("time", "zone", b"2026-11-23T02:03:04.567-05:30")
    write("time", "first", b"0001-01-01T00:00:00+23:59")
    write("time", "no-day", b"2026-02-29T00:00:00Z")
    for cert in golden["self_signed_eccx08"]:
        write("self_signed", cert["name"], bytes.fromhex(cert["slot8_first_72"] + cert["serial"].rjust(40, "0"))
            + cert["name_fields"]["CN"].encode())
    for jws in golden["jws"]:
        write("jose", jws["name"], jws["token"].encode())
    write("jose", "short-header", b"eyJhbGciOiJFUzI1NiJ9." + golden["jws"][0]["token"].split(".", 1)[1].encode())
    write("jose", "key", golden["jws"][0]["public_pem"].encode())
    write("text", "base64url", golden["jws"][0]["token"].split(".")[2].encode())


if __name__ == "__main__":
    main()
