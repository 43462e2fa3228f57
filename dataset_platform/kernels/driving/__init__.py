"""Driving logs: TFRecords, Waymo's record types, scenes, maps and what is measured on them."""
