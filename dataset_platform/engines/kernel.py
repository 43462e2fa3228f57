"""What a kernel is: Arrow batches in, Arrow batches out. Every engine drives the same ones."""

from collections.abc import Callable, Iterator

import pyarrow as pa

Kernel = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
