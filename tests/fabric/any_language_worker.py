"""A worker for C-ECHO and C-STORE from PROTOCOL.md alone: ZeroMQ, msgpack and xxHash, no more.

It could be written in any language that has these three. `RUN_DIR` is the run directory of a
gateway with one acceptor, `KEEP` a folder on the same file system, where instances end up.
"""

import os
import pathlib
import sys

import msgpack
import xxhash
import zmq

REGISTER, HEARTBEAT, ANSWERED, BYE = 1, 2, 3, 4
GRANT, REFUSE, SUPERSEDE, UNKNOWN, REQUESTED = 16, 17, 18, 19, 21
BINDINGS = [["EVT_C_ECHO", False, False, 30.0], ["EVT_C_STORE", True, True, 30.0]]


def keep(claim, data):
    """Make the data set of a C-STORE safe, and look at what arrived."""
    place = keep_dir / claim["token"]
    if claim["path"] is None:  # the whole file came along
        with open(place, "wb") as file:
            file.write(data)
            os.fsync(file.fileno())
    else:  # it is on disk: take it
        os.rename(claim["path"], place)
    folder = os.open(keep_dir, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    data_set = place.read_bytes()[claim["offset"] :]
    digest = b"\1" + xxhash.xxh3_128_digest(data_set)
    if (len(data_set), digest) != (claim["size"], claim["digest"]):
        return {"failed": "raised", "error": "the data set is not what was announced"}
    return {"status": 0x0000, "elements": {}}


def answer(event, assoc, payload, data):
    peer = msgpack.unpackb(assoc)["requestor"]["ae_title"]
    print(event, payload["message_id"], payload["context"][2], peer, bool(data), flush=True)
    return keep(payload["claim"], data) if event == "EVT_C_STORE" else {"status": 0x0000}


run_dir, keep_dir = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
home = run_dir / "address"
sockets = home.read_text("utf-8").strip() if home.exists() else run_dir
socket = zmq.Context().socket(zmq.DEALER)
socket.setsockopt(zmq.IDENTITY, b"w" + os.urandom(15))
socket.connect(f"ipc://{sockets}/acceptor-0.requests")
register = [REGISTER, 2, "foreign", 1, 0, 4, 0, "", os.urandom(8).hex(), False, 1, BINDINGS, {}]
socket.send(msgpack.packb(register))
lease, heartbeat, silent = "", 1.0, 0
while silent < 3:  # heartbeats without a word: the acceptor is gone
    if not socket.poll(heartbeat * 1000):
        silent += 1
        socket.send(msgpack.packb([HEARTBEAT, lease, {}]))
        continue
    silent = 0
    envelope, *frames = socket.recv_multipart()
    kind, *fields, _more = msgpack.unpackb(envelope)
    if kind == GRANT:
        lease, heartbeat = fields[0], fields[2]
        print("ready", *sorted(m for m in sys.modules if m.startswith("gateway")), flush=True)
    elif kind == REQUESTED:
        answers, at, (shared, items) = [], 0, fields
        for token, index, _attempt, _deadline, _credit, own, size in items:
            event, assoc, common = shared[index]
            data = frames[0][at : at + size] if size else None
            at += size or 0
            answers.append([token, True, answer(event, assoc, {**common, **own}, data), None])
        socket.send(msgpack.packb([ANSWERED, answers, {}]))
    elif kind in (REFUSE, SUPERSEDE):
        sys.exit(f"not wanted: {fields}")
    elif kind == UNKNOWN:  # the acceptor was started anew
        socket.send(msgpack.packb(register))
