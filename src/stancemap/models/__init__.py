"""The kinds of models, one file each; the folder is the registry.

A config `configs/models/NAME.yaml` names its `kind`, and `models/KIND.py` is that kind. To add a kind, add one
file with one subclass of `stancemap.models.base.StanceModel`; its constructor's arguments are the config's keys.
"""
