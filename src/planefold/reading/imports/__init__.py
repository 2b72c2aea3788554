"""Where models come from: one module for each library or file format."""
