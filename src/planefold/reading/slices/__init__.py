"""Two dimensions: the regions of a slice as polygons, decision borders and regions, contour lines."""
