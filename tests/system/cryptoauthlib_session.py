"""Microchip's own library, from PyPI, on a chip at /dev/i2c-7: blank, locked, used.

    LD_PRELOAD=libimprint-i2c.so IMPRINT_I2C=7=SOCKET cryptoauthlib_session.py PACKAGE-FOLDER 508a|608a|608b recorded|whole

Prints `done NAME` for each step; what the chip says is compared with Python's own cryptography. `recorded` leaves out
what cannot be replayed, since the host's part depends on the chip's random numbers.
"""

import ctypes
import datetime
import hashlib
import hmac
import sys
import traceback

sys.path.insert(0, sys.argv[1])

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import cryptoauthlib as cal
from cryptoauthlib import atcacert
from cryptoauthlib.library import AtcaReference

NEW = sys.argv[2] != "508a"
REVISION = {"508a": b"\x50\x00", "608a": b"\x60\x02", "608b": b"\x60\x03"}[sys.argv[2]]
WHOLE = sys.argv[3] == "whole"
CONFIG, OTP, DATA = 0, 1, 2
KEY = bytes(range(0x40, 0x60)) # slot 2
AES_KEY = bytes(range(0x70, 0x90)) # slot 3, two keys
DERIVED = bytes(range(0x20, 0x40)) # slot 5
IO_KEY = bytes(range(0xA0, 0xC0)) # slot 7
MESSAGE = hashlib.sha256(b"imprint").digest()
OTHER_KEY = ec.derive_private_key(0x1234567, ec.SECP256R1())

# 0 sign, ECDH; 2 secret; 3 AES keys; 4 encrypted; 5 DeriveKey; 6 PrivWrite; 7 IO protection key; 8, 10 to 12 and 14 open;
# 9 a public key; 13 that of SecureBoot, which keeps a digest in 14; 15 a public key that the one in 9 validates
SLOTS = [0x2087, 0x2087, 0x8080, 0x8080, 0x42C2, 0xA080, 0x4287, 0x8080] + [0] * 7 + [0x1009]
KEYS = [0x33, 0x33, 0x1C, 0x38 if NEW else 0x1C, 0x1C, 0x1C, 0x33, 0x1C, 0x3C, 0x30, 0x3C, 0x3C, 0x3C, 0x30, 0x3C, 0x32]
SECURE_BOOT = 0xDE03 # the digest is kept
CHIP_OPTIONS = 0x7006 # IO protection key in slot 7, AES for KDF


def configuration():
    counters = bytes.fromhex("ffffffff00000000") * 2
    words = lambda values: b"".join(v.to_bytes(2, "little") for v in values)
    return (bytes(16) + bytes([0xC0, 0, 0 if NEW else 0xAA, 0]) + words(SLOTS) + counters
        + (bytes(2) + words([SECURE_BOOT]) + bytes(12) if NEW else bytes([0xFF]) * 16)
        + bytes([0, 0, 0x55, 0x55, 0xFF, 0xFF]) + words([CHIP_OPTIONS if NEW else 0]) + bytes(4) + words(KEYS))


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


def signed(key, digest):
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def at(whole, part):
    """Where a part stands in a template: there and nowhere else."""
    assert whole.count(part) == 1, part.hex()
    return {"offset": whole.index(part), "count": len(part)}


def place(zone, slot=0, count=0, is_genkey=0):
    return {"zone": zone, "slot": slot, "is_genkey": is_genkey, "offset": 0, "count": count}


X509, UTC_TIME, STORED, NO_ZONE = 0, 1, 0, 7
PUBLIC_KEY, SIGNATURE, ISSUE_DATE, EXPIRE_DATE, SIGNER_ID, SERIAL, AUTHORITY_KEY_ID, SUBJECT_KEY_ID = range(8)


def definition(der, tbs, signature, elements, **more):
    """What the library must know to fill a certificate or request from a chip. `der` is somebody else's; its elements are blanked."""
    template = bytearray(der)
    for element, where in elements.items():
        template[where["offset"]:where["offset"] + where["count"]] = b"0" * where["count"]
    standard = [elements.get(element, {"offset": 0, "count": 0}) for element in range(8)]
    sequence = der.rindex(signature) - 3 # BIT STRING, its length, no unused bits
    standard[SIGNATURE] = {"offset": sequence, "count": len(der) - sequence}
    array = (ctypes.c_uint8 * len(template))(*template)
    made = atcacert.atcacert_def_t(type=X509, private_key_slot=0, std_sig_size=64, issue_date_format=UTC_TIME, expire_date_format=UTC_TIME,
        tbs_cert_loc=at(der, tbs), public_key_dev_loc=place(DATA, 0, 64, 1), std_cert_elements=standard,
        cert_template=ctypes.cast(array, ctypes.POINTER(ctypes.c_uint8)), cert_template_size=len(template), **more)
    made.kept = array # as long as the definition
    return made


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
        assert got(cal.atcab_info, 4)[2:] == REVISION

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
        for slot, value in ((2, KEY), (3, AES_KEY), (5, DERIVED), (7, IO_KEY)):
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

    def request_by_definition(self):
        """atcacert fills a request that Python made for another key, and has the chip sign it."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "board")])
        other = x509.CertificateSigningRequestBuilder().subject_name(name).sign(OTHER_KEY, hashes.SHA256())
        der = other.public_bytes(serialization.Encoding.DER)
        what = definition(der, other.tbs_certrequest_bytes, other.signature, {PUBLIC_KEY: at(der, point(OTHER_KEY.public_key()))},
            comp_cert_dev_loc=place(NO_ZONE), sn_source=STORED)
        out, size = bytearray(512), AtcaReference(512)
        good(atcacert.atcacert_create_csr(what, out, size))
        made = x509.load_der_x509_csr(bytes(out))
        assert made.is_signature_valid and made.subject == name and point(made.public_key()) == self.q

    def certificate_by_definition(self):
        """atcacert stores a certificate as 72 bytes and a serial number, and reads the same certificate back."""
        begin, number_of = datetime.datetime(2026, 3, 14, 15), int.from_bytes(b"\x41" + bytes(range(15)), "big")
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "board")])
        cert = (x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(public(self.q)).serial_number(number_of)
            .not_valid_before(begin).not_valid_after(begin.replace(year=2046))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(OTHER_KEY.public_key()), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public(self.q)), False).sign(OTHER_KEY, hashes.SHA256()))
        der = cert.public_bytes(serialization.Encoding.DER)
        ids = [x509.SubjectKeyIdentifier.from_public_key(key).digest for key in (OTHER_KEY.public_key(), public(self.q))]
        elements = {PUBLIC_KEY: at(der, self.q), ISSUE_DATE: at(der, b"260314150000Z"), EXPIRE_DATE: at(der, b"460314150000Z"),
            SERIAL: at(der, number_of.to_bytes(16, "big")), AUTHORITY_KEY_ID: at(der, ids[0]), SUBJECT_KEY_ID: at(der, ids[1])}
        what = definition(der, cert.tbs_certificate_bytes, cert.signature, elements, comp_cert_dev_loc=place(DATA, 10, 72),
            sn_source=STORED, cert_sn_dev_loc=place(DATA, 11, 16), expire_years=20, template_id=2, chain_id=0)
        good(atcacert.atcacert_write_cert(what, der, len(der)))
        out, size = bytearray(1024), AtcaReference(1024)
        good(atcacert.atcacert_read_cert(what, point(OTHER_KEY.public_key()), out, size))
        assert bytes(out) == der, bytes(out).hex()
        stored = got(cal.atcab_read_bytes_zone, 72, DATA, 10, 0, after=(72,))
        verify(point(OTHER_KEY.public_key()), hashlib.sha256(cert.tbs_certificate_bytes).digest(), stored[:64])

    def validate(self):
        """A public key that counts only once another has signed for it: first valid, then not any more."""
        own = point(OTHER_KEY.public_key())
        good(cal.atcab_write_pubkey(15, own))
        signature = signed(OTHER_KEY, MESSAGE)
        assert int(cal.atcab_verify_stored(MESSAGE, signature, 15, AtcaReference(0))) != 0, "used before it is validated"
        for invalidate in (False, True):
            call = cal.atcab_verify_invalidate if invalidate else cal.atcab_verify_validate
            def digest():
                good(cal.atcab_nonce(bytes(range(32))))
                good(cal.atcab_genkey_base(0x10, 15, bytes(3)))
            digest()
            statement = got(cal.atcab_sign_internal, 64, 0, invalidate, False)
            said = (bytes([invalidate, 0, 0]) + SLOTS[15].to_bytes(2, "little") + KEYS[15].to_bytes(2, "little") + bytes([0x5F, 0, 0])
                + bytes(4) + bytes([0, 0, 1, invalidate, 0]))
            digest()
            assert not number(call, 15, bytes([statement[0] ^ 1]) + statement[1:], said), "another signature"
            digest()
            assert number(call, 15, statement, said)
            if not invalidate:
                assert number(cal.atcab_verify_stored, MESSAGE, signature, 15)
        assert int(cal.atcab_verify_stored(MESSAGE, signature, 15, AtcaReference(0))) != 0, "used when it is no longer valid"

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

    def old_hmac(self):
        good(cal.atcab_nonce(MESSAGE))
        said = bytes(32) + MESSAGE + bytes([0x11, 0x04, 2, 0]) + bytes(11) + self.serial[8:] + bytes(4) + self.serial[:2] + bytes(2)
        assert got(cal.atcab_hmac, 32, 0x04, 2) == hmac.new(KEY, said, "sha256").digest()

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

    def new_ecdh_hidden(self):
        shared = OTHER_KEY.exchange(ec.ECDH(), public(self.q))
        assert got(cal.atcab_ecdh_ioenc, 32, 0, point(OTHER_KEY.public_key()), after=(IO_KEY,)) == shared
        assert got(cal.atcab_ecdh_ioenc, 32, 0, point(OTHER_KEY.public_key()), after=(KEY,)) != shared, "opened with another key"
        q = got(cal.atcab_genkey, 64, 0xFFFF)
        assert got(cal.atcab_ecdh_tempkey_ioenc, 32, point(OTHER_KEY.public_key()), after=(IO_KEY,)) == OTHER_KEY.exchange(ec.ECDH(), public(q))

    def new_verify_with_mac(self):
        nonce, own = bytes(range(32, 64)), point(OTHER_KEY.public_key())
        signature = signed(OTHER_KEY, MESSAGE)
        assert number(cal.atcab_verify_extern_mac, MESSAGE, signature, own, nonce, IO_KEY)
        assert not number(cal.atcab_verify_extern_mac, MESSAGE[::-1], signature, own, nonce, IO_KEY), "another message"
        assert not number(cal.atcab_verify_extern_mac, MESSAGE, signature, own, nonce, KEY), "an answer under another key"
        assert number(cal.atcab_verify_stored_mac, MESSAGE, self.signature, 9, nonce, IO_KEY)

    def new_kdf_hidden(self):
        message = b"label and seed.."
        out, nonce = bytearray(64), bytearray(32)
        good(cal.atcab_kdf(0x56, 2, len(message) << 24 | 0x02, message, out, nonce))
        pad = hashlib.sha256(IO_KEY + bytes(nonce[:16])).digest()
        assert bytes(a ^ b for a, b in zip(out[:32], pad)) == hmac.new(KEY, message, "sha256").digest()

    def new_secure_boot(self):
        good(cal.atcab_write_pubkey(13, point(OTHER_KEY.public_key())))
        signature, mac = signed(OTHER_KEY, MESSAGE), bytearray(32)
        good(cal.atcab_secureboot(5, 0, MESSAGE, signature, mac))
        assert int(cal.atcab_secureboot(5, 0, MESSAGE[::-1], signature, mac)) != 0, "other firmware"
        good(cal.atcab_secureboot(7, 0, MESSAGE, signature, mac))
        good(cal.atcab_secureboot(6, 0, MESSAGE, b"", mac))
        assert int(cal.atcab_secureboot(6, 0, MESSAGE[::-1], b"", mac)) != 0, "other firmware than is kept"
        assert got(cal.atcab_read_bytes_zone, 32, DATA, 14, 0, after=(32,)) == MESSAGE

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

    def whole_secure_boot(self):
        if not NEW:
            return
        signature, numbers = signed(OTHER_KEY, MESSAGE), bytes(range(20))
        assert number(cal.atcab_secureboot_mac, 5, MESSAGE, signature, numbers, IO_KEY)
        assert not number(cal.atcab_secureboot_mac, 5, MESSAGE[::-1], signature, numbers, IO_KEY), "other firmware"
        assert not number(cal.atcab_secureboot_mac, 5, MESSAGE, signature, numbers, KEY), "another key"
        assert number(cal.atcab_secureboot_mac, 6, MESSAGE, b"", numbers, IO_KEY)

    def release(self):
        good(cal.atcab_release())


def main():
    session = Session()
    failed = 0
    for name in (name for name in vars(Session) if not name.startswith("_")):
        if (name.startswith("new_") and not NEW) or (name.startswith("old_") and NEW) or (name.startswith("whole_") and not WHOLE):
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
