"""The engine: one thread that owns all trading state. Quotes and commands go in, events come out."""
