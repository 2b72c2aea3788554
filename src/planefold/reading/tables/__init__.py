"""The planes that the rows of a table lie on, in the table's own columns and units."""
