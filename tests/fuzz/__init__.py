"""Long fuzzing, by chance with a seed: `python -m tests.fuzz wire|logs|yaml|onnx --count N`.

The short form of each is a test of the suite. What is refused is counted by its reason; an
exception that is none of metatap's own, a count that does not add up, or memory that grows ends
the run with the round it happened in.
"""
