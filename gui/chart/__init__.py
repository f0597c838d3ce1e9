"""The chart. Only `host` may be imported before the first paint; the rest needs pyqtgraph and NumPy."""
