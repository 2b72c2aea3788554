"""The checks of gradients, steps and units (GR...). Each is one function of a case: a finding, or None."""
