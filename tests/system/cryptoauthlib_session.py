"""Microchip's own library, from PyPI, on a chip at /dev/i2c-7: blank, locked, used.

    LD_PRELOAD=libimprint-i2c.so IMPRINT_I2C=7=SOCKET cryptoauthlib_session.py PACKAGE-FOLDER 508a|608b recorded|whole

Prints `done NAME` for each step; what the chip says is compared with Python's own cryptography. `recorded` leaves out
what cannot be replayed, since the host's part depends on the chip's random numbers.
"""

import hashlib
import hmac
import sys
import traceback

sys.path.insert(0, sys.argv[1])

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import cryptoauthlib as cal
from cryptoauthlib.library import AtcaReference

NEW = sys.argv[2] == "608b"
WHOLE = sys.argv[3] == "whole"
CONFIG, OTP, DATA = 0, 1, 2
KEY = bytes(range(0x40, 0x60)) # slot 2
AES_KEY = bytes(range(0x70, 0x90)) # slot 3, two keys
DERIVED = bytes(range(0x20, 0x40)) # slot 5
MESSAGE = hashlib.sha256(b"imprint").digest()
OTHER_KEY = ec.derive_private_key(0x1234567, ec.SECP256R1())

# 0 sign, ECDH; 2 secret; 3 AES keys; 4 encrypted; 5 DeriveKey; 6 PrivWrite; 8 and 10 to 15 open; 9 a public key
SLOTS = [0x2087, 0x2087, 0x8080, 0x8080, 0x42C2, 0xA080, 0x4287, 0x8080] + [0] * 8
KEYS = [0x33, 0x33, 0x1C, 0x38 if NEW else 0x1C, 0x1C, 0x1C, 0x33, 0x1C, 0x3C, 0x30] + [0x3C] * 6


def configuration():
    counters = bytes.fromhex("ffffffff00000000") * 2
    words = lambda values: b"".join(v.to_bytes(2, "little") for v in values)
    return (bytes(16) + bytes([0xC0, 0, 0 if NEW else 0xAA, 0]) + words(SLOTS) + counters
        + bytes(16 if NEW else 0) + bytes([0xFF]) * (0 if NEW else 16) + bytes([0, 0, 0x55, 0x55, 0xFF, 0xFF])
        + bytes(6) + words(KEYS))


def good(status, *more):
    assert int(status) == 0, (hex(int(status)), *more)


def got(call, size, *arguments, after=()):
    """The bytes that a call of the library puts into its buffer."""
    out = bytearray(size)
    good(call(*arguments, out, *after), call.__name__)
    return bytes(out)


def number(call, *arguments):
    out = AtcaReference(0)
    good(call(*arguments, out), call.__name__)
    return out.value


def crc16(data):
    crc = 0
    for byte in data:
        for bit in range(8):
            top = crc >> 15
            crc = crc << 1 & 0xFFFF
            if top != byte >> bit & 1:
                crc ^= 0x8005
    return crc


def point(key):
    n = key.public_numbers()
    return n.x.to_bytes(32, "big") + n.y.to_bytes(32, "big")


def public(xy):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + xy)


def verify(xy, digest, signature):
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    public(xy).verify(der, digest, ec.ECDSA(Prehashed(hashes.SHA256())))


class Session:
    """Its methods are the steps, in this order."""

    def init(self):
        cfg = cal.cfg_ateccx08a_i2c_default()
        cfg.cfg.atcai2c.bus, cfg.cfg.atcai2c.address, cfg.devtype = 7, 0xC0, 3 if NEW else 2
        good(cal.atcab_init(cfg))

    def info_and_serial(self):
        self.serial = got(cal.atcab_read_serial_number, 9)
        assert self.serial[:2] == b"\x01\x23" and self.serial[8] == 0xEE, self.serial
        assert got(cal.atcab_info, 4)[2:] == (b"\x60\x03" if NEW else b"\x50\x00")

    def blank(self):
        assert not number(cal.atcab_is_locked, CONFIG) and not number(cal.atcab_is_locked, 1)
        assert got(cal.atcab_random, 32) == bytes.fromhex("ffff0000") * 8, "no randomness before the lock"
        assert int(cal.atcab_genkey(0, bytearray(64))) != 0, "no key before the lock"

    def lock_configuration(self):
        good(cal.atcab_write_config_zone(configuration()))
        assert number(cal.atcab_cmp_config_zone, configuration())
        whole = got(cal.atcab_read_config_zone, 128)
        assert int(cal.atcab_lock_config_zone_crc(crc16(whole) ^ 1)) != 0, "wrong CRC"
        assert not number(cal.atcab_is_locked, CONFIG)
        good(cal.atcab_lock_config_zone_crc(crc16(whole)))
        assert number(cal.atcab_is_locked, CONFIG)
        assert int(cal.atcab_write_config_zone(configuration())) != 0, "locked for ever"

    def lock_data(self):
        for slot, value in ((2, KEY), (3, AES_KEY), (5, DERIVED)):
            good(cal.atcab_write_zone(DATA, slot, 0, 0, value, 32))
        good(cal.atcab_lock_data_zone())
        assert number(cal.atcab_is_locked, 1)
        assert int(cal.atcab_read_zone(DATA, 2, 0, 0, bytearray(32), 32)) != 0, "a secret is read"

    def random(self):
        assert len({got(cal.atcab_random, 32) for _ in range(4)}) == 4

    def genkey(self):
        self.q = got(cal.atcab_genkey, 64, 0)
        public(self.q)
        assert got(cal.atcab_get_pubkey, 64, 0) == self.q
        self.q = got(cal.atcab_genkey, 64, 0)

    def sign_and_verify(self):
        self.signature = got(cal.atcab_sign, 64, 0, MESSAGE)
        verify(self.q, MESSAGE, self.signature)
        assert number(cal.atcab_verify_extern, MESSAGE, self.signature, self.q)
        other = bytes([MESSAGE[0] ^ 1]) + MESSAGE[1:]
        assert not number(cal.atcab_verify_extern, other, self.signature, self.q), "another message verifies"

    def verify_stored(self):
        good(cal.atcab_write_pubkey(9, self.q))
        assert got(cal.atcab_read_pubkey, 64, 9) == self.q
        assert number(cal.atcab_verify_stored, MESSAGE, self.signature, 9)

    def sign_internal(self):
        good(cal.atcab_nonce(bytes(range(32))))
        good(cal.atcab_genkey_base(0x08, 0, bytes(3), bytearray(64)))
        statement = got(cal.atcab_sign_internal, 64, 0, False, False)
        serial, tail = self.serial, bytes([0x41, 0x00, 0, 0]) + SLOTS[0].to_bytes(2, "little") + KEYS[0].to_bytes(2, "little")
        temp = hashlib.sha256(bytes(range(32)) + bytes([0x40, 0x08, 0, 0, serial[8]]) + serial[:2] + bytes(25)
            + self.q).digest()
        digest = hashlib.sha256(temp + tail + bytes([0x50, 0, 0, serial[8]]) + bytes(4) + serial[:2] + bytes(2)
            + bytes([1, 0, 0])).digest()
        verify(self.q, digest, statement)

    def sha(self):
        for n in (0, 3, 63, 64, 65, 128, 200):
            message = bytes(i % 251 for i in range(n))
            assert got(cal.atcab_sha, 32, n, message) == hashlib.sha256(message).digest(), n
            assert got(cal.atcab_hw_sha2_256, 32, message, n) == hashlib.sha256(message).digest(), n

    def hmac(self):
        for n in (3, 64, 100):
            message = bytes(n)
            mac = got(cal.atcab_sha_hmac, 32, message, n, 2, after=(0,))
            assert mac == hmac.new(KEY, message, "sha256").digest(), n

    def counters(self):
        for which in (0, 1):
            assert number(cal.atcab_counter_read, which) == 0
            for value in range(1, 20):
                assert number(cal.atcab_counter_increment, which) == value
            assert number(cal.atcab_counter_read, which) == 19

    def zones(self):
        block = bytes(range(100, 132))
        good(cal.atcab_write_zone(DATA, 8, 3, 0, block, 32))
        good(cal.atcab_write_zone(DATA, 8, 3, 2, b"word", 4))
        assert got(cal.atcab_read_zone, 32, DATA, 8, 3, 0, after=(32,)) == block[:8] + b"word" + block[12:]
        assert got(cal.atcab_read_zone, 32, DATA, 8, 3, 2, after=(4,))[:4] == b"word"
        assert got(cal.atcab_read_bytes_zone, 64, OTP, 0, 0, after=(64,)) == b"\xff" * 64
        assert int(cal.atcab_write_zone(DATA, 2, 0, 0, block, 32)) != 0, "WriteConfig never"

    def certificate_slots(self):
        for slot, size in ((10, 72), (11, 36), (12, 36)):
            value = bytes((slot * 7 + i) % 256 for i in range(size))
            good(cal.atcab_write_bytes_zone(DATA, slot, 0, value, size))
            assert got(cal.atcab_read_bytes_zone, size, DATA, slot, 0, after=(size,)) == value, slot

    def ecdh(self):
        shared = got(cal.atcab_ecdh, 32, 0, point(OTHER_KEY.public_key()))
        assert shared == OTHER_KEY.exchange(ec.ECDH(), public(self.q))

    def mac_and_checkmac(self):
        challenge = bytes(range(32))
        tail = bytes(11) + self.serial[8:] + bytes(4) + self.serial[:2] + bytes(2)
        mac = hashlib.sha256(KEY + challenge + bytes([0x08, 0, 2, 0]) + tail).digest()
        assert got(cal.atcab_mac, 32, 0, 2, challenge) == mac
        other = bytes([0x08, 0, 2, 0]) + bytes(9)
        good(cal.atcab_checkmac(0, 2, challenge, mac, other))
        assert int(cal.atcab_checkmac(0, 2, challenge, bytes(32), other)) != 0

    def lock_slot(self):
        assert not number(cal.atcab_is_slot_locked, 12)
        good(cal.atcab_lock_data_slot(12))
        assert number(cal.atcab_is_slot_locked, 12)
        assert int(cal.atcab_write_bytes_zone(DATA, 12, 0, bytes(32), 32)) != 0

    def new_aes(self):
        text = bytes(range(16))
        for block in (0, 1):
            cipher = Cipher(algorithms.AES(AES_KEY[16 * block:][:16]), modes.ECB()).encryptor().update(text)
            assert got(cal.atcab_aes_encrypt, 16, 3, block, text) == cipher
            assert got(cal.atcab_aes_decrypt, 16, 3, block, cipher) == text

    def new_gfm(self):
        x, y = int.from_bytes(MESSAGE[:16], "big"), int.from_bytes(MESSAGE[16:], "big")
        product = 0
        for bit in range(127, -1, -1): # NIST SP 800-38D, 6.3
            product ^= y if x >> bit & 1 else 0
            y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
        assert got(cal.atcab_aes_gfm, 16, MESSAGE[:16], MESSAGE[16:]) == product.to_bytes(16, "big")

    def new_ecdh_ephemeral(self):
        q = got(cal.atcab_genkey, 64, 0xFFFF) # into TempKey
        shared = got(cal.atcab_ecdh_tempkey, 32, point(OTHER_KEY.public_key()))
        assert shared == OTHER_KEY.exchange(ec.ECDH(), public(q))

    def new_kdf(self):
        message = b"label and seed.."
        # HKDF: key in slot 2, message as input, output on the bus.
        out, nonce = bytearray(64), bytearray(32)
        good(cal.atcab_kdf(0x52, 2, len(message) << 24 | 0x02, message, out, nonce))
        assert bytes(out[:32]) == hmac.new(KEY, message, "sha256").digest()
        # PRF with 32 bytes of key and of output: P_SHA256.
        good(cal.atcab_kdf(0x12, 2, len(message) << 24 | 0x01, message, out, nonce))
        a = hmac.new(KEY, message, "sha256").digest()
        assert bytes(out[:32]) == hmac.new(KEY, a + message, "sha256").digest()

    def new_self_test(self):
        assert number(cal.atcab_selftest, 0x3B, 0) == 0

    def whole_encrypted(self):
        secret = bytes(range(200, 232))
        good(cal.atcab_write_enc(4, 0, secret, KEY, 2))
        assert got(cal.atcab_read_enc, 32, 4, 0, after=(KEY, 2)) == secret
        assert int(cal.atcab_read_zone(DATA, 4, 0, 0, bytearray(32), 32)) != 0, "read in the clear"
        assert int(cal.atcab_write_enc(4, 0, secret, bytes(32), 2)) != 0, "written with another key"

    def whole_priv_write(self):
        key = ec.derive_private_key(0xABCDEF, ec.SECP256R1())
        good(cal.atcab_priv_write(6, bytes(4) + (0xABCDEF).to_bytes(32, "big"), 2, KEY))
        assert got(cal.atcab_get_pubkey, 64, 6) == point(key.public_key())
        verify(point(key.public_key()), MESSAGE, got(cal.atcab_sign, 64, 6, MESSAGE))
        assert int(cal.atcab_genkey(6, bytearray(64))) != 0, "WriteConfig allows no GenKey"

    def whole_derive_key(self):
        got(cal.atcab_nonce_rand, 32, bytes(20))
        assert int(cal.atcab_derivekey(0, 5, bytes(32))) != 0, "without the old key's MAC"
        random = got(cal.atcab_nonce_rand, 32, bytes(20))
        temp = hashlib.sha256(random + bytes(20) + bytes([0x16, 0, 0])).digest()
        good(cal.atcab_derivekey(0, 5, hashlib.sha256(DERIVED + bytes([0x1C, 0, 5, 0, self.serial[8]]) + self.serial[:2]).digest()))
        key = hashlib.sha256(DERIVED + bytes([0x1C, 0, 5, 0, self.serial[8]]) + self.serial[:2] + bytes(25) + temp).digest()
        tail = bytes([0x08, 0, 5, 0]) + bytes(11) + self.serial[8:] + bytes(4) + self.serial[:2] + bytes(2)
        assert got(cal.atcab_mac, 32, 0, 5, MESSAGE) == hashlib.sha256(key + MESSAGE + tail).digest()

    def release(self):
        good(cal.atcab_release())


def main():
    session = Session()
    failed = 0
    for name in (name for name in vars(Session) if not name.startswith("_")):
        if (name.startswith("new_") and not NEW) or (name.startswith("whole_") and not WHOLE):
            continue
        try:
            getattr(session, name)()
            print("done", name, flush=True)
        except Exception: # the step failed, whatever it raises; the others tell more
            print("FAILED", name, flush=True)
            traceback.print_exc()
            failed += 1
    return failed != 0


if __name__ == "__main__":
    cal.load_cryptoauthlib()
    sys.exit(main())
