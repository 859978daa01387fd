#!/usr/bin/env python3
"""Packs the three functions so that the same binaries always make the same zips.

  pack.py FROM TO [OTHER…] [--quick]   FROM/{ingest,worker,sweep} become TO/{ingest,worker,sweep}.zip,
                                       and so do others

Each zip is made twice and compared, and its size is told.
"""
import argparse
import hashlib
import io
import pathlib
import subprocess
import sys
import tempfile
import zipfile

FUNCTIONS = ("ingest", "worker", "sweep")
# Zips know no time before this one.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Lambda's limit for a zip that is uploaded, and for what is in it.
ZIP_MAX, CONTENT_MAX = 50 * 1024 * 1024, 250 * 1024 * 1024


def packed(binary: bytes, level: int) -> bytes:
    entry = zipfile.ZipInfo("bootstrap", EPOCH)
    entry.create_system = 3  # Unix, so that the permissions count
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, binary, compresslevel=level)
    return out.getvalue()


def read(path: pathlib.Path, strip: bool) -> bytes:
    if not strip:
        return path.read_bytes()
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, path], check=True)
        return pathlib.Path(out.name).read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("others", nargs="*", default=[])
    parser.add_argument("--quick", action="store_true", help="for tests: leaves debugging information out, and packs less tightly")
    args = parser.parse_args()
    args.target.mkdir(parents=True, exist_ok=True)
    for name in (*FUNCTIONS, *args.others):
        binary = read(args.source / name, args.quick)
        level = 1 if args.quick else 9
        content = packed(binary, level)
        if content != packed(binary, level):
            print(f"{name}: two zips of one binary differ", file=sys.stderr)
            return 1
        if len(content) > ZIP_MAX or len(binary) > CONTENT_MAX:
            print(f"{name}: too large for Lambda", file=sys.stderr)
            return 1
        (args.target / f"{name}.zip").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        print(f"{name}.zip  {len(binary):>11,} bytes, {len(content):>11,} packed  sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
