"""The web lane against its peers: ``python -m benchmarks.web [part …]``, all parts when none is named.

Each part runs in a process of its own, prints what it finds and rewrites its section of ``benchmarks/RESULTS.md``. The
peers need an environment of their own (``make peers``), real inputs ``DATASET_PLATFORM_REAL_DATA``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

PARTS = {
    "extraction": "text from HTML: quality and speed against trafilatura, rs-trafilatura and Resiliparse",
    "filters": "keep or drop and every measure against datatrove's filters, and their speed",
    "dedup": "signatures, candidates and components against datatrove and rensa",
    "tokens": "token ids and offsets against Hugging Face tokenizers",
    "lane": "WARC files to shards against datatrove, and growth with 1, 3 and 10 times the pages",
}


def main() -> None:
    """Run the parts that are named."""
    listed = "\n".join(f"  {name:<11} {what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        description=f"Parts:\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", choices=[*PARTS, []], help="which to run; all by default")
    failed = []
    for part in parser.parse_args().parts or PARTS:
        print(f"== {part}: {PARTS[part]}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.web_{part}"], check=False).returncode:
            failed.append(part)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
