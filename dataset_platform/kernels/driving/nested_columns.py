"""A column of lists of structs, flat: which row each element is of, and its fields as numpy arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataset_platform.kernels.driving.scene import Bools, Floats, Ints


class NestedColumn:
    """Elements of a list column over all rows.

    Attributes:
        row: [E], the row that each element is of.
        values: [E], the elements.
    """

    def __init__(self, column: pa.ListArray) -> None:
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        self.row: Ints = np.repeat(np.arange(len(column)), lengths)
        self.values: pa.StructArray = column.flatten()

    def __len__(self) -> int:
        return len(self.values)

    def arrow(self, name: str) -> pa.Array:
        """A field as it is."""
        return pc.struct_field(self.values, [name])

    def floats(self, name: str) -> Floats:
        """Numbers, NaN where null."""
        return np.asarray(self.arrow(name).to_numpy(zero_copy_only=False), dtype=np.float64)

    def ints(self, name: str) -> Ints:
        """Whole numbers, −1 where null."""
        return np.asarray(pc.fill_null(self.arrow(name), -1).to_numpy(zero_copy_only=False), dtype=np.int64)

    def flags(self, name: str) -> Bools:
        """Truth, false where null."""
        return np.asarray(pc.fill_null(self.arrow(name), False).to_numpy(zero_copy_only=False), dtype=np.bool_)

    def texts(self, name: str) -> NDArray[np.object_]:
        """Texts, None where null."""
        return np.asarray(self.arrow(name).to_numpy(zero_copy_only=False), dtype=np.object_)

    def known(self, name: str) -> Bools:
        """Where a field is not null."""
        return np.asarray(self.arrow(name).is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
