"""The live feed: polls the sources within their budgets, backs off, falls back and heals by itself."""
