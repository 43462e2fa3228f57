"""CPU seconds of datatrove's ``MinhashDedupSignature`` for a file of texts: ``dedup_datatrove.py FILE``.

FILE holds one JSON string a line. Timed are shingles and signature of each text, without the files that the step writes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib.metadata import version

from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.utils.logging import logger


def main() -> None:
    """Print one JSON line."""
    logger.remove()
    with open(sys.argv[1], encoding="utf-8") as stream:
        texts = [json.loads(line) for line in stream]
    with tempfile.TemporaryDirectory() as folder:
        step = MinhashDedupSignature(folder)
        step.get_signature(step.get_shingles(texts[0]))  # loads the tokenizer
        started, signed = time.process_time(), 0
        for text in texts:
            shingles = step.get_shingles(text)
            if shingles.size:
                signed += len(step.get_signature(shingles)) == 14
        seconds = time.process_time() - started
    print(json.dumps({"seconds": seconds, "signed": signed, "version": version("datatrove")}))


if __name__ == "__main__":
    main()
