"""The classifiers, one file each, behind the protocol in `classifier.py`."""
