"""The command line: `planefold train`, `predict`, `report`, `inspect`, `examples`, `lesson`."""
