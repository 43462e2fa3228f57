"""Waymo's published record formats as far as this platform reads them.

The ``.proto`` files hold field numbers and types only, in a package of their own, so that they live beside Waymo's own
definitions in one process. Kinds and states are ``int32`` rather than enums: a code that is newer than these files is
kept as it is. Fields that are not declared are skipped unread. ``README.md`` tells how the Python code is generated.
"""
