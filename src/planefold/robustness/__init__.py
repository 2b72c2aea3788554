"""How far an input can be moved before the prediction changes."""
