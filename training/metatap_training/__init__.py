"""Meta-training of metatap's detector: labelled Zeek logs in, one `.onnx` file out.

The path of the data, package by package: `datasets` reads labelled flows, `preprocess` cleans them,
`episodes` draws few-shot tasks, `learners` meta-train on them, `export` writes the model file.
`bench` measures the recipe beside `baselines` and others on what was held out, `report` shows what
it found and writes the card; `evaluate` asks what parts of the context bring. `custom` trains on a
user's own flows, `distributed` in several processes; `founding` trains the networks of the article
that the detector goes back to.
"""
