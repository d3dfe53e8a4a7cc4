#!/usr/bin/env python3
"""The other side of pyrad.rs: carries out tasks with the Python package pyrad, which shares no code with us.

    python3 pyrad_peer.py DICTIONARY < tasks.json > answers.json

Both files hold one list. A task is an object whose "do" names a function below; octets are hexadecimal digits, and
attributes are lists [vendor, number, octets], vendor 0 being the standard space.
"""

import hashlib
import json
import sys

from pyrad import packet
from pyrad.dictionary import Dictionary

KINDS = {
    "access": (packet.AuthPacket, packet.AccessRequest),
    "status": (packet.AuthPacket, packet.StatusServer),
    "accounting": (packet.AcctPacket, packet.AccountingRequest),
    "disconnect": (packet.CoAPacket, packet.DisconnectRequest),
    "coa": (packet.CoAPacket, packet.CoARequest),
}


def key(vendor, number):
    return (vendor, number) if vendor else number


def add_raw(made, attributes):
    for vendor, number, octets in attributes:
        made.setdefault(key(vendor, number), []).append(bytes.fromhex(octets))


def raw(read):
    """Values by key, which is how pyrad holds them: the order within a key is that of the wire."""
    out = []
    for at, values in read.items():
        vendor, number = at if isinstance(at, tuple) else (0, at)
        out.extend([vendor, number, value.hex()] for value in values)
    return out


def named(read, names):
    return {name: [v.hex() if isinstance(v, bytes) else v for v in read[name]] for name in names if name in read}


def add_named(made, attributes):
    for name, value in attributes:
        if isinstance(value, str) and value.startswith("0x"):
            value = bytes.fromhex(value[2:])
        made.AddAttribute(name, value)


def encode_request(task, dictionary):
    kind, code = KINDS[task["kind"]]
    secret = bytes.fromhex(task["secret"])
    random = bytes.fromhex(task["authenticator"]) if task["kind"] in ("access", "status") else None
    made = kind(code=code, id=task["identifier"], secret=secret, authenticator=random, dict=dictionary)
    if "pap" in task:
        made["User-Password"] = made.PwCrypt(bytes.fromhex(task["pap"]))
    if "chap" in task:
        chap_id, password = bytes([task["chap_id"]]), bytes.fromhex(task["chap"])
        challenge = bytes.fromhex(task["challenge"])
        if challenge:
            made["CHAP-Challenge"] = challenge
        made["CHAP-Password"] = chap_id + hashlib.md5(chap_id + password + (challenge or random)).digest()
    add_raw(made, task["attributes"])
    made.message_authenticator = task["signed"]
    return {"packet": made.RequestPacket().hex()}


def decode_request(task, dictionary):
    kind, _ = KINDS[task["kind"]]
    octets, secret = bytes.fromhex(task["packet"]), bytes.fromhex(task["secret"])
    read = kind(secret=secret, packet=octets, dict=dictionary)
    out = {"code": read.code, "identifier": read.id, "attributes": raw(read)}
    if task["kind"] == "accounting":
        out["authenticator"] = read.VerifyAcctRequest()
    if task["kind"] in ("coa", "disconnect"):
        out["authenticator"] = read.VerifyCoARequest()
    if read.message_authenticator:
        out["message_authenticator"] = read.verify_message_authenticator()
    if "User-Password" in read:
        out["pap"] = read.PwDecrypt(read[2][0]).encode().hex()
    if "chap" in task:
        out["chap"] = read.VerifyChapPasswd(bytes.fromhex(task["chap"]))
    return out


def the_request(task, dictionary):
    kind, _ = KINDS[task["kind"]]
    return kind(secret=bytes.fromhex(task["secret"]), packet=bytes.fromhex(task["request"]), dict=dictionary)


def encode_reply(task, dictionary):
    request = the_request(task, dictionary)
    made = request.CreateReply()
    made.code = task["code"]
    made.message_authenticator = task["signed"]
    add_raw(made, task["attributes"])
    add_named(made, task["named"])
    if "v1_keys" in task:
        # Only its class for logins has the function; the hiding is the same.
        made["MS-CHAP-MPPE-Keys"] = packet.AuthPacket.PwCrypt(made, bytes.fromhex(task["v1_keys"]))
    return {"packet": made.ReplyPacket().hex()}


def decode_reply(task, dictionary):
    request = the_request(task, dictionary)
    octets = bytes.fromhex(task["packet"])
    read = request.CreateReply(packet=octets)
    read.request_authenticator = request.authenticator
    return {
        "code": read.code,
        "identifier": read.id,
        "verified": request.VerifyReply(read, octets, enforce_ma=task["signed"]),
        "attributes": raw(read),
        "named": named(read, task["names"]),
    }


DO = {function.__name__: function for function in (encode_request, decode_request, encode_reply, decode_reply)}


def main():
    dictionary = Dictionary(sys.argv[1])
    json.dump([DO[task["do"]](task, dictionary) for task in json.load(sys.stdin)], sys.stdout)


main()
