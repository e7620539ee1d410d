"""The stages of `dvc repro`, one file and one word each: prepare, fit, evaluate, select, track."""
