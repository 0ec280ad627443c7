"""The parts of `benches/run.py`: one file for each kind of row, and what they share."""
