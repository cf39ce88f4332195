"""libimprint-i2c.so: programs that know nothing of us find an emulated chip at /dev/i2c-7."""

import json
import re

import harness

INFO = ["0x03", "0x07", "0x30", "0x00", "0x00", "0x00", "0x03", "0x5d"]
REVISION = "0x07 0x00 0x00 0x60 0x03 0x83 0xbb"

# Runs in a Python that has the library preloaded; asserts there are the test's.
EVERY_WAY = r"""
import ctypes, errno, fcntl, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
path = b"/dev/i2c-7"
O = os.O_RDWR

def wakes(fd):
    "A write to address 0 reaches the bus: nobody acknowledges it."
    try:
        os.write(fd, b"\0")
    except OSError as e:
        return e.errno == errno.ENXIO
    return False

ways = {"open": (path, O), "open64": (path, O), "__open_2": (path, O), "__open64_2": (path, O),
    "openat": (-100, path, O), "openat64": (-100, path, O), "__openat_2": (-100, path, O), "__openat64_2": (-100, path, O),
    "creat": (path, 0o600), "creat64": (path, 0o600)}
for name, arguments in ways.items():
    fd = getattr(libc, name)(*arguments)
    assert fd >= 0 and wakes(fd), name
    os.close(fd)
    assert not os.path.exists(f"/proc/self/fd/{fd}"), name

fd = os.open(path, O)
fcntl.ioctl(fd, 0x0703, 0x60)
buffer = ctypes.create_string_buffer(4)
def parts(*pieces):
    return (ctypes.c_size_t * (2 * len(pieces)))(*[n for p in pieces for n in p])
at = ctypes.addressof(buffer)
assert os.read(fd, 4) == b"\x04\x11\x33\x43", "the wake frame"
info = ctypes.create_string_buffer(b"\x03\x07\x30\0\0\0\x03\x5d", 8)
assert libc.writev(fd, parts((ctypes.addressof(info), 8)), 1) == 8, "writev"
assert libc.readv(fd, parts((at, 1), (at + 1, 3)), 2) == 4 and buffer.raw == b"\x07\x00\x00\x60", "readv"
assert libc.__read_chk(fd, buffer, 3, 4) == 3 and buffer.raw[:3] == b"\x03\x83\xbb", "__read_chk"
for seek in (libc.lseek, libc.lseek64):
    assert seek(fd, 0, 0) == -1 and ctypes.get_errno() == errno.ESPIPE, "a device has no position"

two = os.dup(fd)
os.dup2(fd, 40)
os.close(fd)
assert not wakes(two), "dup has the address of the chip, which acknowledges"
fcntl.ioctl(40, 0x0703, 0)
assert wakes(two), "dup2 shares it"
ask = "import os\ntry: os.write(40, b'\\0')\nexcept OSError as e: print(e.errno)"
child = subprocess.run([sys.executable, "-c", ask], pass_fds=[40], capture_output=True, text=True)
assert child.stdout.strip() == str(errno.ENXIO), ("a program that inherits it", child)

with open("/dev/i2c-7", "r+b", buffering=0) as device:
    fcntl.ioctl(device, 0x0703, 0x60)
    assert device.write(b"\x01") == 1, "sleep"

# Everything else is the system's.
try:
    os.open("/dev/i2c-8", O)
    raise AssertionError("a bus that is not listed opens")
except FileNotFoundError:
    pass
with open("plain", "w") as f:
    f.write("unharmed")
assert open("plain").read() == "unharmed" and os.lseek(os.open("plain", os.O_RDONLY), 3, 0) == 3
assert os.stat("plain").st_mode & 0o777 == 0o644, "the mode of open arrives"
print("every way works")
"""


class Preloaded(harness.SystemTest):
    def setUp(self):
        super().setUp()
        process = self.start("imprint", "element", "emulate", "chip", "--timing", "instant")
        self.socket = process.wait_for(r"^(/\S+)$").group(1)
        self.env["LD_PRELOAD"] = harness.program("libimprint-i2c.so")
        self.env["IMPRINT_I2C"] = "3=/nowhere/bus.sock,7=" + self.socket
        # The library stands before a sanitizer's runtime, which wants to be first, in our own programs.
        self.env["ASAN_OPTIONS"] = "verify_asan_link_order=0"

    def python(self, text):
        done = self.run_program("/usr/bin/python3", "-B", "-c", text)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def test_every_way_to_a_device(self):
        """open, read, write, ioctl in all their names; duplicated and inherited descriptors"""
        self.assertEqual(self.python("import os; os.umask(0o22)\n" + EVERY_WAY), "every way works\n")

    def wake(self):
        self.python("import os\ntry: os.write(os.open('/dev/i2c-7', os.O_RDWR), b'\\0')\nexcept OSError: pass")

    def test_i2c_tools(self):
        """i2cdetect finds the chip once it is awake; i2ctransfer and i2cget talk to it"""
        scan = ("/usr/sbin/i2cdetect", "-y", "7")
        asleep = self.run_program(*scan)
        self.assertNotRegex(asleep.stdout, r"60: 60")
        self.wake()
        awake = self.run_program(*scan)
        self.assertRegex(awake.stdout, r"60: 60 --")
        self.assertEqual(len(re.findall(r" [0-9a-f]{2}\b(?!:)", awake.stdout.split("\n", 1)[1])), 1, awake)
        asked = self.run_program("/usr/sbin/i2ctransfer", "-y", "7", "w8@0x60", *INFO, "r7")
        self.assertEqual(asked.stdout.strip(), REVISION, asked)
        self.assertEqual(self.run_program("/usr/sbin/i2cget", "-y", "7", "0x60", "0x00").stdout.strip(), "0x07")
        nobody = self.run_program("/usr/sbin/i2ctransfer", "-y", "7", "r1@0x61")
        self.assertNotEqual(nobody.returncode, 0)
        self.assertIn("No such device or address", nobody.stderr)

    def test_our_own_program(self):
        """imprint element info over /dev/i2c-N says what it says over the socket"""
        over_bus = self.run_program("imprint", "element", "info", "/dev/i2c-7", "--json")
        self.assertEqual(over_bus.returncode, 0, over_bus)
        seen = json.loads(over_bus.stdout)
        self.assertEqual((seen.pop("where"), seen["model"]), ("bus /dev/i2c-7", "ATECC608B"))
        over_socket = json.loads(self.run_program("imprint", "element", "info", self.socket, "--json").stdout)
        over_socket.pop("where")
        self.assertEqual(seen, {name: over_socket[name] for name in seen})
        self.assertEqual(set(over_socket) - set(seen), {"wear", "commands", "busy_us", "faults", "faults_left"},
            "what only the emulator itself can tell")
        for path, says in (("/dev/i2c-3", "/dev/i2c-3: No such device"), ("/dev/null", "not an I2C adapter"),
                ("/dev/i2c-8", "/dev/i2c-8: No such file")):
            refused = self.run_program("imprint", "element", "info", path)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(says, refused.stderr)

    def test_no_emulator(self):
        """a listed device without an emulator is a missing adapter; a wrong list is said"""
        gone = self.run_program("/usr/sbin/i2cdetect", "-F", "3")
        self.assertNotEqual(gone.returncode, 0)
        self.assertIn("No such device", gone.stderr)
        self.env["IMPRINT_I2C"] = self.socket
        wrong = self.run_program("/usr/sbin/i2cdetect", "-F", "7")
        self.assertIn("libimprint-i2c: IMPRINT_I2C is not N=SOCKET[,N=SOCKET]", wrong.stderr)
        self.assertNotEqual(wrong.returncode, 0)
