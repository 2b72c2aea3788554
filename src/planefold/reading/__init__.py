"""Exact reading of piecewise-linear networks: their creases, their planes, and what these mean.

Each function takes a ``model``: anything that :func:`from_model` reads.
"""

from planefold.networks.affine import PiecewiseLinearNet
from planefold.reading.architectures import Study, random_net, study
from planefold.reading.boxes.density import LineCounts, count_along_lines, expected_density
from planefold.reading.boxes.enumeration import RegionCount, Regions, count_regions, regions
from planefold.reading.boxes.regions import Region, region
from planefold.reading.capacity import Bounds, bounds
from planefold.reading.certificate import Certificate
from planefold.reading.imports.nnet_files import read_nnet
from planefold.reading.models import from_model
from planefold.reading.picture_paths import Border, PicturePath, between
from planefold.reading.pictures import LocalPicture, local_picture
from planefold.reading.plain import as_data
from planefold.reading.segments.attributions import Attributions, ice, integrated_gradients, partial_dependence
from planefold.reading.segments.curves import Curve, Curves
from planefold.reading.segments.lines import function, line, lines
from planefold.reading.segments.records import Line, Lines
from planefold.reading.segments.units import UnitCurves, Units, unit_curves, units_at
from planefold.reading.slices.boundaries import Boundary, ClassRegions, Decisions, boundary, class_regions, decisions
from planefold.reading.slices.columns import Slice, slice_of
from planefold.reading.slices.contours import Contour, contours
from planefold.reading.slices.planes import planes
from planefold.reading.slices.records import Planes
from planefold.reading.slices.tiles import WindowCount, count_in_window, tiled
from planefold.reading.tables.columns import Columns, columns_of
from planefold.reading.tables.contributions import Contributions
from planefold.reading.tables.explain import Explanation
from planefold.reading.tables.local_models import local_models
from planefold.reading.tables.merging import MergedPlanes
from planefold.reading.tables.records import LocalModel, Reading

__all__ = [
    "Attributions",
    "Border",
    "Boundary",
    "Bounds",
    "Certificate",
    "ClassRegions",
    "Columns",
    "Contour",
    "Contributions",
    "Curve",
    "Curves",
    "Decisions",
    "Explanation",
    "Line",
    "LineCounts",
    "Lines",
    "LocalModel",
    "LocalPicture",
    "MergedPlanes",
    "PicturePath",
    "PiecewiseLinearNet",
    "Planes",
    "Reading",
    "Region",
    "RegionCount",
    "Regions",
    "Slice",
    "Study",
    "UnitCurves",
    "Units",
    "WindowCount",
    "as_data",
    "between",
    "boundary",
    "bounds",
    "class_regions",
    "columns_of",
    "contours",
    "count_along_lines",
    "count_in_window",
    "count_regions",
    "decisions",
    "expected_density",
    "from_model",
    "function",
    "ice",
    "integrated_gradients",
    "line",
    "lines",
    "local_models",
    "local_picture",
    "partial_dependence",
    "planes",
    "random_net",
    "read_nnet",
    "region",
    "regions",
    "slice_of",
    "study",
    "tiled",
    "unit_curves",
    "units_at",
]
