"""A name in each defined term of Specific Character Set (PS3.3 C.12.1.1.2): value, bytes, text."""

from __future__ import annotations

_WORDS = {
    100: ("latin_1", "-A", "Äneas^Rüdiger"),
    101: ("iso8859_2", "-B", "Dvořák^Jiří"),
    109: ("iso8859_3", "-C", "Ĉapek^Ŭlo"),
    110: ("iso8859_4", "-D", "Bērziņš^Ģirts"),
    144: ("iso8859_5", "-L", "Ёлкин^Юлия"),
    127: ("iso8859_6", "-G", "قباني^لنزار"),
    126: ("iso8859_7", "-F", "Διονυσιος^Άρης"),
    138: ("iso8859_8", "-H", "שרון^דבורה"),
    148: ("iso8859_9", "-M", "Çavuşoğlu^İşçi"),
    203: ("iso8859_15", "-b", "Œuvre^Žofie"),
    166: ("tis_620", "-T", "นาม^สกุล"),
}

SINGLE = [
    (b"ISO_IR 6", b"Doe^Jane", "Doe^Jane"),
    (b"", b"Doe^Jane", "Doe^Jane"),
    (b"ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    *(
        (f"ISO_IR {number}".encode(), text.encode(codec), text)
        for number, (codec, _, text) in _WORDS.items()
    ),
]

EXTENDED = [
    (b"ISO 2022 IR 6", b"Doe^Jane", "Doe^Jane"),
    *(
        (f"ISO 2022 IR {number}".encode(), text.encode(codec), text)
        for number, (codec, _, text) in _WORDS.items()
    ),
    *(
        (
            f"\\ISO 2022 IR {number}".encode(),
            b"^".join(f"\x1b{escape}".encode() + part.encode(codec) for part in text.split("^")),
            text,
        )
        for number, (codec, escape, text) in _WORDS.items()
    ),
    (
        b"ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ",
    ),
    (b"\\ISO 2022 IR 13", b"\x1b)I\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ"),
    (
        b"\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (b"ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", "山田"),
    (b"\\ISO 2022 IR 87", b"\x1b$B\x3d\x3d\x5c\x5c\x1b(B", "十樛"),
    (b"\\ISO 2022 IR 159", b"\x1b$(D\x30\x21\x1b(B", b"\x8f\xb0\xa1".decode("euc_jp")),
    (
        b"\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6",
        "Hong^Gildong=洪^吉洞=홍^길",
    ),
    (b"ISO 2022 IR 149", b"\xc8\xab^\xb1\xe6\xb5\xbf", "홍^길동"),
    (
        b"\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
    (b"ISO 2022 IR 58", b"\xd5\xc5^\xd0\xa1\xb6\xab", "张^小东"),
]

STAND_ALONE = [
    (b"ISO_IR 192", "Wang^XiaoDong=王^小東=😀".encode(), "Wang^XiaoDong=王^小東=😀"),
    (b"GB18030", "Wang^XiaoDong=王^小东=㐂".encode("gb18030"), "Wang^XiaoDong=王^小东=㐂"),
    (b"GBK", "Wang^XiaoDong=王^小東\u4e02".encode("gbk"), "Wang^XiaoDong=王^小東\u4e02"),
]
