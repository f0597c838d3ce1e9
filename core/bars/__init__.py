"""Bars: ticks become one-minute bars, those longer ones; what is known is stored and kept up for a chart."""
