"""The two systems of the founding article, as peers of what is shipped: a CNN and an RNN.

In: labelled logs. Out: for each a report (accuracy, precision, recall, confusion matrix) and an
ONNX file that `metatap score --model` runs, as the article's `detect()`. Both say which of ten
families a sequence of flows is of, not whether it is a threat: no class is benign.
"""
