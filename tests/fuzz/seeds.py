#!/usr/bin/env python3
"""Writes seeds for the fuzz targets: seeds.py parser|azure DIRECTORY

parser: the statements of tests/sql and a dictionary of keywords (DIRECTORY.dict). azure: one well-formed example per reader.
"""
import hashlib
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

AZURE = [
    (0, '<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>QUJD</Latest><Committed>RA==</Committed><Uncommitted a="b&amp;c">&#x41;</Uncommitted></BlockList>'),
    (0, "<SignedIdentifiers><SignedIdentifier><Id>x</Id><AccessPolicy><Start>2020-01-01T00:00:00Z</Start><Permission>rw</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"),
    (0, "<a><!-- c --><![CDATA[x]]><b/></a>"),
    (1, "user::rwx,group::r-x,other::---,user:abc:rw-,mask::rwx,default:user::rwx"),
    (9, "user:abc,default:group:x"),
    (2, "sv=2021-08-06&ss=bfqt&srt=sco&sp=rwdlacupitfx&se=2030-01-01T00:00:00Z&st=2020-01-01T00:00:00Z&spr=https&sig=QUJD%2B&sip=1.2.3.4-1.2.3.9"),
    (2, "sv=2020-02-10&sr=c&sp=rl&se=2030-01-01&skoid=a&sktid=b&skt=2020-01-01T00:00:00Z&ske=2030-01-01T00:00:00Z&sks=b&skv=2020-02-10&sdd=2&sig=x&rscc=no&rsct=t"),
    (2, "restype=container&comp=list&prefix=a%2Fb&timeout=30&&x=&=y"),
    (3, "/container/a/b%20c/../d/./e?x"), (3, "container/%2e%2e/%00"), (3, "$root/x"),
    (4, '"0x8D", "b"'), (4, "*"), (4, "Wed, 25 Nov 2026 22:00:00 GMT"),
    (5, "key=dmFsdWU=,other=,hdi_isfolder=dHJ1ZQ=="),
]


def statements():
    for folder, _, names in os.walk(os.path.join(ROOT, "tests", "sql")):
        for name in sorted(n for n in names if n.endswith(".test")):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                for block in f.read().split("\n\n"):
                    if m := re.match(r"(?:query|query ordered|statement)\n(.*?)(?:\n----.*)?\Z", block, re.S):
                        yield m.group(1)


def main():
    kind, directory = sys.argv[1:3]
    os.makedirs(directory, exist_ok=True)
    if kind == "parser":
        seeds = {bytes([len(s) % 32, 0]) + s.encode() for s in statements()}
        words = sorted({w.upper() for s in seeds for w in re.findall(r"[A-Za-z_]{2,20}", s[2:].decode(errors="replace")) if w.isascii()})
        with open(directory.rstrip("/") + ".dict", "w") as f:
            f.writelines(f'"{w}"\n' for w in words)
    else:
        seeds = {bytes([first]) + text.encode() for first, text in AZURE}
    for s in seeds:
        with open(os.path.join(directory, hashlib.sha1(s).hexdigest()), "wb") as f:
            f.write(s)
    print(len(seeds), "seeds")


if __name__ == "__main__":
    main()
