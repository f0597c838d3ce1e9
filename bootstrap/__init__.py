"""From a fresh clone to a virtual environment that can run the program; standard library only."""
