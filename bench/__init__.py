"""The benchmarks: `python3 run.py bench [NAME ...]`."""
