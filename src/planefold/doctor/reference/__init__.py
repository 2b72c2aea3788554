"""What simple models reach on the rows of a training, in the same loss."""

from planefold.doctor.reference.measure import Reference, measure_reference
from planefold.doctor.reference.shift import shift_auc

__all__ = ["Reference", "measure_reference", "shift_auc"]
