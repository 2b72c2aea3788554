"""The checks of the predictions (SC...). Each is one function of a case: a finding, or None."""
