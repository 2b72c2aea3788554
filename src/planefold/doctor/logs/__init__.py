"""Anyone's training log, read into learning curves: CSV, JSON, printed lines, TensorBoard event files."""

from planefold.doctor.logs.reading import LogCurves, read_log

__all__ = ["LogCurves", "read_log"]
