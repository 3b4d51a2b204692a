# A FUSE file system of a few files, whose sizes and blocks are what the test says: the kernel's
# protocol, without a library. Arguments: the mount point, and JSON: {NAME: [CONTENT, SIZE, BLOCKS]}.
import json
import os
import struct
import subprocess
import sys

point, files = sys.argv[1], json.loads(sys.argv[2])
names = sorted(files)
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
subprocess.run(["mount", "-i", "-t", "fuse", "-o", options, "fleet-test", point], check=True, pass_fds=[fd])
print("mounted", flush=True)

ENOENT, ENOSYS = 2, 38
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, INIT, OPENDIR, READDIR, RELEASEDIR = 1, 2, 3, 14, 15, 18, 26, 27, 28, 29
BATCH_FORGET, INTERRUPT = 42, 36
NO_ANSWER = {FORGET, BATCH_FORGET, INTERRUPT}
DIRECT_IO = 1


def attributes(node):
    mode, size, blocks, links = 0o40755, 0, 0, 2
    if node > 1:
        _, size, blocks = files[names[node - 2]]
        mode, links = 0o100644, 1
    seconds = 1_700_000_000
    return struct.pack("<6Q10I", node, size, blocks, seconds, seconds, seconds, 0, 0, 0, mode, links, 0, 0, 0, 512, 0)


def answer(opcode, node, body):
    if opcode == INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 65536, 0, 12, 9, 65536, 1, 16, *[0] * 9)
    if opcode == LOOKUP:
        name = body.rstrip(b"\0").decode()
        if name not in files:
            return -ENOENT
        found = names.index(name) + 2
        return struct.pack("<4Q2I", found, 0, 0, 0, 0, 0) + attributes(found)
    if opcode == GETATTR:
        return struct.pack("<Q2I", 0, 0, 0) + attributes(node)
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<Q2I", 0, DIRECT_IO if opcode == OPEN else 0, 0)
    if opcode == READ:
        _, offset, size = struct.unpack_from("<QQI", body)
        return files[names[node - 2]][0].encode()[offset : offset + size]
    if opcode == READDIR:
        _, offset, size = struct.unpack_from("<QQI", body)
        out = b""
        for index, name in enumerate(names[offset:], offset):
            text = name.encode()
            entry = struct.pack("<QQII", index + 2, index + 1, len(text), 8) + text
            entry += b"\0" * (-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        return out
    if opcode in (RELEASE, RELEASEDIR):
        return b""
    return -ENOSYS


while True:
    try:
        request = os.read(fd, 1 << 20)
    except OSError:
        break
    _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
    if opcode in NO_ANSWER:
        continue
    out = answer(opcode, node, request[40:])
    error, out = (out, b"") if isinstance(out, int) else (0, out)
    os.write(fd, struct.pack("<IiQ", 16 + len(out), error, unique) + out)
