"""Meta-training of metatap's detector: labelled Zeek logs in, one `.onnx` file out.

The path of the data, package by package: `datasets` reads labelled flows, `preprocess` cleans them,
`episodes` draws few-shot tasks, `learners` meta-train on them, `baselines` are what they must beat,
`evaluate` holds families out and measures, `export` writes the model file, `report` its card.
"""
