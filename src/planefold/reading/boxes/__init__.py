"""Any number of dimensions: the region of a point, and all regions of a box."""
