"""The scan: what can be wrong with the rows of a table, one small module for each measurement.

``scan`` measures, :mod:`planefold.doctor.data` judges. Nothing here trains a network.
"""

from planefold.doctor.scan.columns import Columns, Outliers
from planefold.doctor.scan.leaks import Leak
from planefold.doctor.scan.measure import Scan, scan
from planefold.doctor.scan.names import NameGroups
from planefold.doctor.scan.near import Near
from planefold.doctor.scan.noise import Noise
from planefold.doctor.scan.order import Order
from planefold.doctor.scan.overlap import Overlap
from planefold.doctor.scan.pictures import Alike, Looks
from planefold.doctor.scan.repeats import Contradictions, Repeats
from planefold.doctor.scan.shift import LabelShift, Shift

__all__ = [
    "Alike",
    "Columns",
    "Contradictions",
    "LabelShift",
    "Leak",
    "Looks",
    "NameGroups",
    "Near",
    "Noise",
    "Order",
    "Outliers",
    "Overlap",
    "Repeats",
    "Scan",
    "Shift",
    "scan",
]
