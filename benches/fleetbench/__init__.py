"""What `benches/run` is made of. Python's standard library only."""
