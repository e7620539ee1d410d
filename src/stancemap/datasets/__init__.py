"""Readers, one file for each source format; the folder is the registry.

A config `configs/datasets/NAME.yaml` names its `reader`, and `datasets/READER.py` is that reader: a function
`read_file(path)` that yields `(where, columns)` for each row. To add a format, add one such file.
"""
