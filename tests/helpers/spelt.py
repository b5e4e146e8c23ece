"""Ways to write a text that a stranger may read back: what tests of secrets write and look for."""

import base64
import codecs
import html
import json
from collections.abc import Callable
from itertools import cycle
from urllib.parse import quote

import yaml


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(f"user:{text}".encode()).decode()


def shifted(by: int) -> Callable[[str], str]:
    return lambda text: base64.b64encode(b"x" * by + text.encode() + b"tail").decode()


def each(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(byte) for byte in text.encode())


def joined(by: str) -> Callable[[str], str]:
    return by.join


def some(form: str) -> Callable[[str], str]:
    """Every third character, the first one too, in this form."""
    turns = (form, "{0:c}", "{0:c}")
    return lambda text: "".join(t.format(ord(c)) for t, c in zip(cycle(turns), text, strict=False))


def wrapped(text: str, width: int = 10) -> str:
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


def named(text: str, named: Callable[[int], str], but: str = "") -> str:
    """Every character by its number, but letters and digits of ASCII and those of `but`."""
    stays = (c if (c.isascii() and c.isalnum()) or c in but else named(ord(c)) for c in text)
    return "".join(stays)


WHOLE: dict[str, Callable[[str], str]] = {  # whatever a text holds, it is a part of one of these
    "JSON": json.dumps,
    "JSON, not only ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "Python": ascii,
    "Python, not only ASCII": repr,
    "Python, without quotation marks": lambda text: text.encode("unicode_escape").decode(),
    "percent": lambda text: quote(text, safe=""),
    "HTML": html.escape,
    "HTML, decimal": lambda text: named(text, "&#{};".format),
    "JavaScript": lambda text: named(text, "\\u{{{:x}}}".format),
    "YAML": lambda text: yaml.dump(text, default_style='"', width=10**9),
    "quoted-printable": lambda text: "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"={byte:02X}"
        for byte in text.encode()
    ),
    "octal": lambda text: "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03o}"
        for byte in text.encode()
    ),
}

WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "base64": shifted(0),
    "base64, a byte later": shifted(1),
    "base64, two bytes later": shifted(2),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(f"{text}>>?".encode()).decode(),
    "base64 in a Basic header": basic,
    "base64 in lines": lambda text: wrapped(shifted(1)(text), 16),
    "base64 twice": lambda text: shifted(1)(shifted(2)(text)),
    "base64 of JSON": lambda text: shifted(0)(json.dumps({"key": text})),
    "base32": lambda text: base64.b32encode(f"abc{text}".encode()).decode(),
    "hexadecimal": each("{:02x}"),
    "hexadecimal, large": each("{:02X}"),
    "hexadecimal with colons": lambda text: ":".join(f"{byte:02x}" for byte in text.encode()),
    "hexadecimal as C has it": lambda text: ", ".join(f"0x{byte:02x}" for byte in text.encode()),
    "bytes in decimal": lambda text: " ".join(str(byte) for byte in text.encode()),
    "bits": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "percent, all": each("%{:02X}"),
    "percent, small letters": each("%{:02x}"),
    "percent, what must be": lambda text: quote(text, safe=""),
    "percent, some": some("%{0:02X}"),
    "percent of percent": lambda text: quote(each("%{:02X}")(text)),
    "HTML, decimal": each("&#{};"),
    "HTML, decimal, some": some("&#{0};"),
    "HTML, hexadecimal": each("&#x{:X};"),
    "HTML, what must be": html.escape,
    "HTML of HTML": lambda text: html.escape(each("&#{};")(text)),
    "JSON, all": each("\\u{:04x}"),
    "JSON, some": some("\\u{0:04x}"),
    "JSON in JSON": lambda text: json.dumps(each("\\u{:04x}")(text))[1:-1],
    "JavaScript": each("\\u{{{:x}}}"),
    "YAML, all": each("\\x{:02x}"),
    "YAML, some": some("\\x{0:02X}"),
    "YAML, long": each("\\U{:08X}"),
    "octal": each("\\{:03o}"),
    "quoted-printable": each("={:02X}"),
    "backwards": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "other case": lambda text: text.swapcase(),
    "split by zero-width spaces": joined("\u200b"),
    "split by word joiners and marks": joined("\u2060\ufeff"),
    "split by soft hyphens": joined("\u00ad"),
    "split by escaped soft hyphens": joined("&shy;"),
    "split by escaped zero-width spaces": joined("\\u200b"),
    "split by NUL": joined("\x00"),
    "split by other controls": joined("\x01\x7f\x08"),
    "split by colours": joined("\x1b[31m"),
    "split by escaped colours": joined("\\u001b[1;31m"),
    "split by links of a terminal": joined("\x1b]8;;http://x\x07"),
    "split by line ends": wrapped,
    "split by escaped line ends": lambda text: wrapped(text).replace("\n", "\\n"),
    "backslashes before all": lambda text: "".join(c if c.isalnum() else f"\\{c}" for c in text),
    "full width": lambda text: "".join(
        chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text
    ),
    "letters that nobody sees": lambda text: "".join(chr(ord(c) + 0xE0000) for c in text),
}
