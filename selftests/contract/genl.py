# SPDX-License-Identifier: GPL-2.0-only
"""Generic netlink by hand: every byte of a request is the caller's."""
import errno
import os
import socket
import struct

NETLINK_GENERIC = 16
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 1, 10, 11, 12
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP = 1, 2, 4, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, NLMSGERR_ATTR_MISS_TYPE = 1, 2, 5
NLA_F_NESTED = 0x8000
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY, CTRL_CMD_GETPOLICY = 3, 10
(CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_VERSION) = (1, 2, 3)
(CTRL_ATTR_MAXATTR, CTRL_ATTR_OPS, CTRL_ATTR_MCAST_GROUPS) = (5, 6, 7)
(CTRL_ATTR_POLICY, CTRL_ATTR_OP_POLICY) = (8, 9)
GENL_ADMIN_PERM, GENL_UNS_ADMIN_PERM = 1, 0x10
HEADERS = 20                    # of a netlink and a generic netlink message


def attr(kind, payload):
    """One attribute, padded."""
    pad = -len(payload) % 4
    return struct.pack("=HH", len(payload) + 4, kind) + payload + bytes(pad)


def attrs(data):
    """[(type without flags, payload)...] of a run of attributes."""
    found, at = [], 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        if size < 4 or at + size > len(data):
            raise ValueError(f"attribute of {size} bytes at {at} of {len(data)}")
        found.append((kind & 0x3fff, data[at + 4:at + size]))
        at += size + 3 & ~3
    return found


class Answer:
    """What came of a request: error 0 or an errno, the extended ack, replies."""

    def __init__(self):
        self.error = None
        self.text = ""
        self.offset = None      # of the attribute that is wrong, in the message
        self.missing = None     # type of the attribute that is missing
        self.done = False       # it was the end of a dump that said so
        self.replies = []       # (command, [(type, payload)...])

    def __str__(self):
        name = errno.errorcode.get(self.error, self.error) if self.error else "accepted"
        return f"{name}, text '{self.text}', attribute at {self.offset}"


class Socket:
    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.settimeout(10)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            self.sock.setsockopt(SOL_NETLINK, option, 1)
        self.sock.bind((0, 0))
        self.seq = 0

    def join(self, group):
        """0 or an errno."""
        try:
            self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
            return 0
        except OSError as e:
            return e.errno

    def request(self, family, cmd, payload=b"", dump=False, version=1, reserved=0, flags=0):
        self.seq += 1
        flags |= NLM_F_REQUEST | (NLM_F_DUMP if dump else NLM_F_ACK)
        message = struct.pack("=IHHIIBBH", HEADERS + len(payload), family, flags, self.seq, 0,
                              cmd, version, reserved) + payload
        self.sock.send(message)
        answer = Answer()
        while answer.error is None:
            self.receive(answer)
        return answer

    def receive(self, answer):
        data, at = self.sock.recv(1 << 20), 0
        while at < len(data):
            size, kind, flags, seq, _ = struct.unpack_from("=IHHII", data, at)
            body = data[at + 16:at + size]
            at += size + 3 & ~3
            if seq != self.seq:
                continue
            if kind in (NLMSG_ERROR, NLMSG_DONE):
                self.ack(answer, kind, flags, body)
            else:
                answer.replies.append((body[0], attrs(body[4:])))

    def ack(self, answer, kind, flags, body):
        answer.error = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
        answer.done = kind == NLMSG_DONE
        # the message it is about, or only its header, stands in between
        skip = 4
        if kind == NLMSG_ERROR:
            skip += 16 if flags & NLM_F_CAPPED else struct.unpack_from("=I", body, 4)[0] + 3 & ~3
        if flags & NLM_F_ACK_TLVS:
            for t, p in attrs(body[skip:]):
                if t == NLMSGERR_ATTR_MSG:
                    answer.text = p.rstrip(b"\0").decode()
                elif t == NLMSGERR_ATTR_OFFS:
                    answer.offset = struct.unpack("=I", p)[0]
                elif t == NLMSGERR_ATTR_MISS_TYPE:
                    answer.missing = struct.unpack("=I", p)[0]

    def family(self, name):
        """The family as the kernel describes it, its module loaded if need be."""
        a = self.request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
                         attr(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0"))
        if a.error:
            raise OSError(a.error, os.strerror(a.error), name)
        return Family(dict(a.replies[0][1]))

    def policies(self, family):
        """{operation: {"do", "dump": policy index}}, {index: {attribute: {...}}}"""
        a = self.request(GENL_ID_CTRL, CTRL_CMD_GETPOLICY,
                         attr(CTRL_ATTR_FAMILY_ID, struct.pack("=H", family.id)), dump=True)
        if a.error:
            raise OSError(a.error, os.strerror(a.error))
        ops, policies = {}, {}
        for _, reply in a.replies:
            for kind, payload in reply:
                if kind == CTRL_ATTR_OP_POLICY:
                    for op, p in attrs(payload):
                        ops[op] = {{1: "do", 2: "dump"}[m]: struct.unpack("=I", i)[0]
                                   for m, i in attrs(p)}
                elif kind == CTRL_ATTR_POLICY:
                    for index, p in attrs(payload):
                        for number, described in attrs(p):
                            policies.setdefault(index, {})[number] = {
                                k: int.from_bytes(v, "little") for k, v in attrs(described)}
        return ops, policies


class Family:
    def __init__(self, described):
        self.id = struct.unpack("=H", described[CTRL_ATTR_FAMILY_ID])[0]
        self.version = struct.unpack("=I", described[CTRL_ATTR_VERSION])[0]
        self.ops = {}           # number: flags
        for _, op in attrs(described.get(CTRL_ATTR_OPS, b"")):
            op = dict(attrs(op))
            self.ops[struct.unpack("=I", op[1])[0]] = struct.unpack("=I", op[2])[0]
        self.groups = {}        # name: number
        for _, group in attrs(described.get(CTRL_ATTR_MCAST_GROUPS, b"")):
            group = dict(attrs(group))
            self.groups[group[1].rstrip(b"\0").decode()] = struct.unpack("=I", group[2])[0]
