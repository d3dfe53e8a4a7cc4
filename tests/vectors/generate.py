#!/usr/bin/env python3
"""Writes the vectors beside it, with nothing but Python's own MD5 and HMAC, so that they are an oracle which
shares no code with radius-proto. Run it after a change here, and read the difference before committing it.

    python3 generate.py
"""

import hashlib
import hmac
import json
import pathlib
import struct

ZERO = bytes(16)
MICROSOFT, MIKROTIK, WISPR = 311, 14988, 14122


def md5(*parts):
    return hashlib.md5(b"".join(parts)).digest()


def attribute(kind, value):
    return bytes([kind, len(value) + 2]) + value


def vendor(number, kind, value):
    return attribute(26, struct.pack("!I", number) + bytes([kind, len(value) + 2]) + value)


def number(value):
    return struct.pack("!I", value)


def address(text):
    return bytes(int(part) for part in text.split("."))


def hide(password, secret, authenticator):
    padded = password + bytes(-len(password) % 16 if password else 16)
    hidden, previous = b"", authenticator
    for start in range(0, len(padded), 16):
        previous = bytes(a ^ b for a, b in zip(padded[start : start + 16], md5(secret, previous)))
        hidden += previous
    return hidden


def hide_salted(key, secret, authenticator, salt):
    """RFC 2548 section 2.4.2."""
    padded = bytes([len(key)]) + key + bytes(-(len(key) + 1) % 16)
    hidden, previous = b"", authenticator + salt
    for start in range(0, len(padded), 16):
        previous = bytes(a ^ b for a, b in zip(padded[start : start + 16], md5(secret, previous)))
        hidden += previous
    return salt + hidden


def sha1(*parts):
    return hashlib.sha1(b"".join(parts)).digest()


def chap(identifier, password, challenge):
    return bytes([identifier]) + md5(bytes([identifier]), password, challenge)


def packet(code, identifier, body, secret, authenticator, hashed):
    """`body` is a list of octets; None in it is the place of the Message-Authenticator."""
    octets = b"".join(attribute(80, ZERO) if part is None else part for part in body)
    head = struct.pack("!BBH", code, identifier, 20 + len(octets))
    if None in body:
        place = 20 + len(b"".join(body[: body.index(None)])) + 2
        tag = hmac.new(secret, head + authenticator + octets, "md5").digest()
        octets = octets[: place - 20] + tag + octets[place - 4 :]
    if hashed:
        authenticator = md5(head, authenticator, octets, secret)
    return head + authenticator + octets


def quoted(text):
    return '"' + text + '"'


class Lines:
    """Collects attributes together with the line that a dictionary prints for each."""

    def __init__(self):
        self.body, self.text = [], []

    def add(self, octets, name, shown):
        self.body.append(octets)
        self.text.append(f"{name} = {shown}")
        return self

    def string(self, kind, name, value):
        return self.add(attribute(kind, value.encode()), name, quoted(value))

    def integer(self, kind, name, value, shown=None):
        return self.add(attribute(kind, number(value)), name, str(value) if shown is None else shown)

    def ip(self, kind, name, value):
        return self.add(attribute(kind, address(value)), name, value)

    def octets(self, kind, name, value):
        return self.add(attribute(kind, value), name, "0x" + value.hex())

    def masked(self, kind, name, value):
        return self.add(attribute(kind, value), name, "<masked>")

    def mikrotik(self, kind, name, value, shown):
        return self.add(vendor(MIKROTIK, kind, value), "Mikrotik-" + name, shown)

    def wispr(self, kind, name, value):
        return self.add(vendor(WISPR, kind, value.encode()), "WISPr-" + name, quoted(value))

    def microsoft(self, kind, name, value, shown):
        return self.add(vendor(MICROSOFT, kind, value), "MS-" + name, shown)

    def date(self, kind, name, value, shown):
        return self.add(attribute(kind, number(value)), name, shown)

    def message_authenticator(self):
        return self.add(None, "Message-Authenticator", None)


def vector(name, code_name, code, identifier, lines, secret, seed, hashed, **more):
    octets = packet(code, identifier, lines.body, secret.encode(), seed, hashed)
    at, text = 20, []
    for line in lines.text:
        if line.startswith("Message-Authenticator"):
            line = "Message-Authenticator = 0x" + octets[at + 2 : at + 18].hex()
        text.append(line)
        at += octets[at + 1]
    out = {"name": name, "code": code_name, "identifier": identifier, "secret": secret, "hex": octets.hex()}
    out["text"] = text
    out["message_authenticator"] = "valid" if None in lines.body else "absent"
    out.update(more)
    return out


def hotspot_head(lines, user, mac, session, address_, host):
    lines.integer(61, "NAS-Port-Type", 19, "Wireless-802.11")
    lines.string(31, "Calling-Station-Id", mac).string(30, "Called-Station-Id", "hs-lobby")
    lines.string(87, "NAS-Port-Id", "bridge-guests").string(1, "User-Name", user)
    lines.integer(5, "NAS-Port", int(session, 16)).string(44, "Acct-Session-Id", session)
    lines.ip(8, "Framed-IP-Address", address_)
    return lines.mikrotik(10, "Host-IP", address(host), host)


def hotspot_tail(lines):
    lines.integer(6, "Service-Type", 1, "Login-User")
    lines.wispr(3, "Logoff-URL", "http://10.77.0.1/logout")
    return lines.string(32, "NAS-Identifier", "lobby").ip(4, "NAS-IP-Address", "10.9.0.2")


def routeros():
    secret, key = "our-own-secret-7", b"our-own-secret-7"
    random = md5(b"request authenticator")
    challenge = md5(b"challenge")
    mac, session = "02:4D:4C:00:00:01", "80300017"
    out = []

    lines = hotspot_head(Lines(), "guest-0001", mac, session, "10.77.0.21", "10.77.0.21")
    lines.octets(60, "CHAP-Challenge", challenge).masked(3, "CHAP-Password", chap(0x9C, b"otp-483920", challenge))
    hotspot_tail(lines).message_authenticator()
    out.append(vector("hotspot http-chap login", "Access-Request", 1, 17, lines, secret, random, False, chap="otp-483920"))
    request = random

    lines = hotspot_head(Lines(), "guest-0002", mac, session, "10.77.0.22", "192.168.88.9")
    lines.masked(2, "User-Password", hide(b"a password of more than sixteen octets", key, random))
    hotspot_tail(lines)
    out.append(
        vector("hotspot http-pap login", "Access-Request", 1, 18, lines, secret, random, False,
               pap="a password of more than sixteen octets")
    )

    lines = hotspot_head(Lines(), mac, mac, session, "10.77.0.23", "10.77.0.23")
    lines.octets(60, "CHAP-Challenge", challenge).masked(3, "CHAP-Password", chap(1, b"", challenge))
    hotspot_tail(lines)
    out.append(vector("hotspot MAC login, empty password", "Access-Request", 1, 19, lines, secret, random, False, chap=""))

    lines = Lines().integer(6, "Service-Type", 2, "Framed-User").integer(7, "Framed-Protocol", 1, "PPP")
    lines.integer(5, "NAS-Port", 15728641).integer(61, "NAS-Port-Type", 15, "Ethernet")
    lines.string(1, "User-Name", "house-12").string(31, "Calling-Station-Id", mac)
    lines.string(30, "Called-Station-Id", "pppoe-lan").string(87, "NAS-Port-Id", "ether5")
    lines.string(44, "Acct-Session-Id", "81300002")
    lines.octets(60, "CHAP-Challenge", challenge).masked(3, "CHAP-Password", chap(2, b"house password", challenge))
    lines.string(32, "NAS-Identifier", "lobby").ip(4, "NAS-IP-Address", "10.9.0.2")
    out.append(vector("PPPoE login", "Access-Request", 1, 20, lines, secret, random, False, chap="house password"))

    lines = Lines().string(32, "NAS-Identifier", "lobby").string(1, "User-Name", mac)
    lines.masked(2, "User-Password", hide(b"", key, random)).ip(4, "NAS-IP-Address", "10.9.0.2")
    lines.integer(5, "NAS-Port", 0x83300009).integer(61, "NAS-Port-Type", 15, "Ethernet")
    lines.string(30, "Called-Station-Id", "dhcp1").string(31, "Calling-Station-Id", "1:2:4d:4c:0:0:1")
    out.append(vector("DHCP lease, empty password", "Access-Request", 1, 21, lines, secret, random, False, pap=""))

    lines = Lines().message_authenticator().integer(27, "Session-Timeout", 3600)
    lines.mikrotik(17, "Total-Limit", number(1 << 30), str(1 << 30))
    lines.mikrotik(18, "Total-Limit-Gigawords", number(1), "1").mikrotik(8, "Rate-Limit", b"2M/5M", quoted("2M/5M"))
    lines.integer(85, "Acct-Interim-Interval", 300).octets(25, "Class", bytes.fromhex("0193f0aa5c8e7b1d9f42a7c3d5e6f701"))
    out.append(
        vector("accept with limits", "Access-Accept", 2, 17, lines, secret, request, True,
               request_authenticator=request.hex(), authenticator="valid")
    )

    lines = Lines().message_authenticator().string(18, "Reply-Message", "Your time is over. Buy another package.")
    out.append(
        vector("reject with a reason", "Access-Reject", 3, 18, lines, secret, request, True,
               request_authenticator=request.hex(), authenticator="valid")
    )

    def accounting(name, identifier, status, shown, fill):
        lines = Lines().integer(40, "Acct-Status-Type", status, shown)
        fill(lines)
        lines.string(32, "NAS-Identifier", "lobby").integer(41, "Acct-Delay-Time", 0)
        lines.ip(4, "NAS-IP-Address", "10.9.0.2")
        made = vector(name, "Accounting-Request", 4, identifier, lines, secret, ZERO, True, authenticator="valid")
        out.append(made)
        return bytes.fromhex(made["hex"])[4:20]

    def session_attributes(lines, stamp, shown):
        hotspot_head(lines, "guest-0001", mac, session, "10.77.0.21", "10.77.0.21")
        return lines.date(55, "Event-Timestamp", stamp, shown)

    def counters(lines, received, sent, seconds):
        lines.integer(42, "Acct-Input-Octets", received % 2**32).integer(43, "Acct-Output-Octets", sent % 2**32)
        lines.integer(52, "Acct-Input-Gigawords", received >> 32).integer(53, "Acct-Output-Gigawords", sent >> 32)
        lines.integer(47, "Acct-Input-Packets", 4000).integer(48, "Acct-Output-Packets", 9000)
        return lines.integer(46, "Acct-Session-Time", seconds)

    start = accounting(
        "session starts", 22, 1, "Start", lambda lines: session_attributes(lines, 1790000000, "2026-09-21T14:13:20Z")
    )
    accounting(
        "interim update over 4 GiB", 23, 3, "Interim-Update",
        lambda lines: counters(session_attributes(lines, 1790000300, "2026-09-21T14:18:20Z"), 5_000_000, 9_876_543_210, 300),
    )
    accounting(
        "session stops", 24, 2, "Stop",
        lambda lines: counters(
            session_attributes(
                lines.integer(49, "Acct-Terminate-Cause", 1, "User-Request"), 1790000400, "2026-09-21T14:20:00Z"
            ),
            6_000_000, 9_900_000_000, 400,
        ),
    )
    accounting("router has started", 25, 7, "Accounting-On", lambda lines: lines)

    out.append(
        vector("accounting is recorded", "Accounting-Response", 5, 22, Lines(), secret, start, True,
               request_authenticator=start.hex(), authenticator="valid")
    )

    lines = Lines().string(1, "User-Name", "guest-0001").ip(8, "Framed-IP-Address", "10.77.0.21")
    lines.string(44, "Acct-Session-Id", session).date(55, "Event-Timestamp", 1790000500, "2026-09-21T14:21:40Z")
    lines.message_authenticator()
    made = vector("server ends a session", "Disconnect-Request", 40, 99, lines, secret, ZERO, True, authenticator="valid")
    out.append(made)
    disconnect = bytes.fromhex(made["hex"])[4:20]

    out.append(
        vector("router has ended it", "Disconnect-ACK", 41, 99, Lines().string(32, "NAS-Identifier", "lobby"), secret,
               disconnect, True, request_authenticator=disconnect.hex(), authenticator="valid")
    )
    lines = Lines().integer(101, "Error-Cause", 406, "Unsupported-Extension").string(32, "NAS-Identifier", "lobby")
    out.append(
        vector("router knows no such session", "Disconnect-NAK", 42, 99, lines, secret, disconnect, True,
               request_authenticator=disconnect.hex(), authenticator="valid")
    )

    lines = Lines().string(32, "NAS-Identifier", "lobby").message_authenticator()
    out.append(vector("is the server alive", "Status-Server", 12, 5, lines, secret, random, False))
    return out


def rfc2865():
    """The packets that RFC 2865 section 7 prints, with their secret."""
    secret = "xyzzy5461"

    def example(name, code, identifier, octets, text, **more):
        return {"name": name, "code": code, "identifier": identifier, "secret": secret,
                "hex": "".join(octets.split()), "text": text, "message_authenticator": "absent", **more}

    first, second, third = "0f403f9473978057bd83d5cb98f4227a", "2aee86f08d0d55969ca5978e0d3367a2", "f3a47a1f6a6d76710b947ab93041a039"
    return [
        example("7.1 user nemo asks for telnet", "Access-Request", 0,
                "01000038" + first + "01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003",
                ['User-Name = "nemo"', "User-Password = <masked>", "NAS-IP-Address = 192.168.1.16", "NAS-Port = 3"],
                pap="arctangent"),
        example("7.1 nemo is accepted", "Access-Accept", 0,
                "02000026 86fe220e7624ba2a1005f6bf9b55e0b2 060600000001 0f0600000000 0e06c0a80103",
                ["Service-Type = Login-User", "Login-Service = Telnet", "Login-IP-Host = 192.168.1.3"],
                request_authenticator=first, authenticator="valid"),
        example("7.2 user flopsy asks for PPP by CHAP", "Access-Request", 1,
                "01010047" + second + "0108666c6f707379 031316e97557c316185895f293ff6344077275 0406c0a80110 050600000014"
                "060600000002 070600000001",
                ['User-Name = "flopsy"', "CHAP-Password = <masked>", "NAS-IP-Address = 192.168.1.16", "NAS-Port = 20",
                 "Service-Type = Framed-User", "Framed-Protocol = PPP"],
                chap="arctangent"),
        example("7.2 flopsy is accepted", "Access-Accept", 1,
                "02010038 15efbc7dab26cfa3dc34d9c03c8601a4 060600000002 070600000001 0806fffffffe 0a0600000002"
                "0d0600000001 0c06000005dc",
                ["Service-Type = Framed-User", "Framed-Protocol = PPP", "Framed-IP-Address = 255.255.255.254",
                 "Framed-Routing = Listen", "Framed-Compression = Van-Jacobson-TCP-IP", "Framed-MTU = 1500"],
                request_authenticator=second, authenticator="valid",
                note="The octets of Framed-Routing are 2, although the text of the RFC says None."),
        example("7.3 user mopsy asks", "Access-Request", 2,
                "01020039" + third + "01076d6f707379 021233657573778289b570885e15084825c5 0406c0a80110 050600000007",
                ['User-Name = "mopsy"', "User-Password = <masked>", "NAS-IP-Address = 192.168.1.16", "NAS-Port = 7"],
                pap="challenge"),
        example("7.3 mopsy is challenged", "Access-Challenge", 2,
                "0b02004e 36f3c8764ae8c71157403c0c71ff9c45 12304368616c6c656e67652033323736393433302e2020456e74657220"
                "726573706f6e73652061742070726f6d70742e 180a3332373639343330",
                ['Reply-Message = "Challenge 32769430.  Enter response at prompt."', "State = 0x3332373639343330"],
                request_authenticator=third, authenticator="valid"),
        example("7.3 mopsy is rejected", "Access-Reject", 3, "03030014 a42f4fca45916c4e09c8340f9e746aa0", [],
                request_authenticator="b122556d428a13d0d6253807c457ecf0", authenticator="valid"),
    ]


def mschap():
    """PPP logins by MS-CHAP. The responses and the hashes of the password are those that RFC 2433 appendix B and RFC
    2759 section 9.2 print, so that neither DES nor MD4 is needed here; the rest is computed."""
    secret, key = "our-own-secret-7", b"our-own-secret-7"
    random = md5(b"request authenticator")
    challenge = bytes.fromhex("5b5d7c7d7b3f2f3e3c2c602132262628")
    peer_challenge = bytes.fromhex("21402324255e262a28295f2b3a337c7e")
    nt_response = bytes.fromhex("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df")
    hash_hash = bytes.fromhex("41c00c584bd2d91c4017a2a12fa59f3f")
    out = []

    def ask(identifier, name, user, challenge_, kind, attribute_name, response, **more):
        lines = Lines().integer(6, "Service-Type", 2, "Framed-User").integer(7, "Framed-Protocol", 1, "PPP")
        lines.string(1, "User-Name", user)
        lines.microsoft(11, "CHAP-Challenge", challenge_, "0x" + challenge_.hex())
        lines.microsoft(kind, attribute_name, response, "<masked>").message_authenticator()
        out.append(vector(name, "Access-Request", 1, identifier, lines, secret, random, False, **more))

    def answer(identifier, name, code_name, code, lines, **more):
        out.append(
            vector(name, code_name, code, identifier, lines, secret, random, True,
                   request_authenticator=random.hex(), authenticator="valid", **more)
        )

    response = b"\x07\x00" + peer_challenge + bytes(8) + nt_response
    ask(31, "MS-CHAPv2 login", "BIGCO\\User", challenge, 25, "CHAP2-Response", response, mschap2="clientPass")
    out[-1]["text"][2] = 'User-Name = "BIGCO\\\\User"'  # as it is escaped for people

    hashed = sha1(peer_challenge, challenge, b"User")[:8]
    inner = sha1(hash_hash, nt_response, b"Magic server to client signing constant")
    proof = sha1(inner, hashed, b"Pad to make it do more than one iteration").hex().upper()
    success = b"\x07S=" + proof.encode()
    master = sha1(hash_hash, nt_response, b"This is the MPPE Master Key")[:16]

    def start_key(text):
        return sha1(master, bytes(40), text, b"\xf2" * 40)[:16]

    send = start_key(b"On the client side, this is the receive key; on the server side, it is the send key.")
    receive = start_key(b"On the client side, this is the send key; on the server side, it is the receive key.")
    lines = Lines().message_authenticator().microsoft(26, "CHAP2-Success", success, "0x" + success.hex())
    lines.microsoft(16, "MPPE-Send-Key", hide_salted(send, key, random, b"\x92\x34"), "<masked>")
    lines.microsoft(17, "MPPE-Recv-Key", hide_salted(receive, key, random, b"\x92\x35"), "<masked>")
    lines.microsoft(7, "MPPE-Encryption-Policy", number(1), "Encryption-Allowed")
    lines.microsoft(8, "MPPE-Encryption-Types", number(6), "RC4-40or128-bit-Allowed")
    answer(31, "MS-CHAPv2 accept with keys", "Access-Accept", 2, lines,
           mschap2_keys={"send": send.hex(), "receive": receive.hex(), "success": success.hex()})

    error = b"\x07E=691 R=0 C=" + challenge.hex().upper().encode() + b" V=3 M=Access denied"
    lines = Lines().message_authenticator()
    lines.microsoft(2, "CHAP-Error", error, quoted("\\x07" + error[1:].decode()))
    answer(31, "MS-CHAPv2 reject", "Access-Reject", 3, lines, mschap2_error=challenge.hex())

    first = bytes.fromhex("102db5df085d3041")
    response = b"\x01\x01" + bytes(24) + bytes.fromhex("4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61")
    ask(32, "MS-CHAPv1 login", "User", first, 1, "CHAP-Response", response, mschap="MyPw")

    lines = Lines().message_authenticator()
    lines.microsoft(12, "CHAP-MPPE-Keys", hide(bytes(8) + hash_hash, key, random), "<masked>")
    answer(32, "MS-CHAPv1 accept with keys", "Access-Accept", 2, lines, mschap_keys=(bytes(8) + hash_hash).hex())
    return out


def malformed():
    """Datagrams that break one rule each; `discard` is the reason."""

    def whole(body, code=1, length=None):
        length = 20 + len(body) if length is None else length
        return struct.pack("!BBH", code, 7, length) + bytes(range(16)) + body

    name = attribute(1, b"guest")
    rows = [
        ("P1 nothing", b"", "too_short"),
        ("P1 19 octets", whole(b"")[:19], "too_short"),
        ("P1 Length 0", whole(b"", length=0), "bad_length"),
        ("P1 Length 19", whole(name, length=19), "bad_length"),
        ("P1 Length 4097", whole(bytes(4077), length=4097), "bad_length"),
        ("P2 one octet is missing", whole(name, length=28), "truncated"),
        ("P4 attribute length 0", whole(name + b"\x01\x00"), "attribute_too_short"),
        ("P4 attribute length 1", whole(name + b"\x01\x01"), "attribute_too_short"),
        ("P4 attribute past Length", whole(name + b"\x01\x04x"), "attribute_overflows"),
        ("P4 attribute within the datagram but past Length", whole(b"\x01\x05abc", length=24), "attribute_overflows"),
        ("P4 a stray octet at the end", whole(name + b"\x01"), "attribute_overflows"),
        ("P5 attribute type 0", whole(b"\x00\x03x"), "attribute_zero"),
        ("P6 Code 0", whole(name, code=0), "unknown_code"),
        ("P6 Code 255", whole(name, code=255), "unknown_code"),
        ("P12 201 attributes", whole(attribute(25, b"x") * 201), "too_many_attributes"),
    ]
    return [{"name": name, "hex": octets.hex(), "discard": reason} for name, octets, reason in rows]


def unsigned():
    """Well-formed requests whose Message-Authenticator is not good."""
    secret, random = "our-own-secret-7", md5(b"request authenticator")
    good = packet(1, 9, [attribute(1, b"guest"), None], secret.encode(), random, False)
    tag = good[-16:]
    flipped = good[:-1] + bytes([good[-1] ^ 1])

    def with_body(body):
        return struct.pack("!BBH", 1, 9, 20 + len(body)) + random + body

    rows = [
        ("a flipped bit", flipped, "invalid"),
        ("sixteen zeros", with_body(attribute(1, b"guest") + attribute(80, ZERO)), "invalid"),
        ("two of them", with_body(attribute(80, tag) + attribute(80, tag)), "repeated"),
        ("fifteen octets", with_body(attribute(80, tag[:15])), "bad_length"),
        ("seventeen octets", with_body(attribute(80, tag + b"x")), "bad_length"),
        ("no octets", with_body(attribute(80, b"")), "bad_length"),
    ]
    return [
        {"name": name, "code": "Access-Request", "identifier": 9, "secret": secret, "hex": octets.hex(),
         "message_authenticator": verdict}
        for name, octets, verdict in rows
    ]


files = {"rfc2865": rfc2865(), "routeros": routeros(), "mschap": mschap(), "malformed": malformed(), "unsigned": unsigned()}
for file, rows in files.items():
    target = pathlib.Path(__file__).with_name(file + ".json")
    target.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
